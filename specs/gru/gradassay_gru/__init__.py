"""The GRU as a spec of Gradassay: the distribution's README is the normative text.

Importing this imports nothing of it, as in `gradassay_lstm`: a backend's offers read `gradassay_gru._features`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_gru._config import GRU as GRU
    from gradassay_gru._config import Call as Call
    from gradassay_gru._layout import layouts as layouts
    from gradassay_gru._spec import spec as spec

_HOME = {"GRU": "_config", "Call": "_config", "layouts": "_layout", "spec": "_spec"}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay_gru.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay_gru' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

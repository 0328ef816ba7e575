"""The LSTM as a spec of Gradassay: the distribution's README is the normative text.

Importing this imports nothing of it: each name comes with the module that it is asked of, so that a backend's offers
can read which features there are (`gradassay_lstm._features`) without NumPy and without the equations.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_lstm._config import LSTM as LSTM
    from gradassay_lstm._config import Call as Call
    from gradassay_lstm._layout import Layout as Layout
    from gradassay_lstm._layout import layouts as layouts
    from gradassay_lstm._spec import spec as spec
    from gradassay_lstm._suites import SuiteError as SuiteError

_HOME = {
    "LSTM": "_config",
    "Call": "_config",
    "Layout": "_layout",
    "layouts": "_layout",
    "spec": "_spec",
    "SuiteError": "_suites",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay_lstm.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay_lstm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

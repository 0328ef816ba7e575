"""Elman's network as a spec of Gradassay: the distribution's README is the normative text.

Importing this imports nothing of it, as in `gradassay_lstm`: a backend's offers read `gradassay_rnn_tanh._features`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_rnn_tanh._config import RNN as RNN
    from gradassay_rnn_tanh._config import Call as Call
    from gradassay_rnn_tanh._config import Recurrent as Recurrent
    from gradassay_rnn_tanh._layout import Layout as Layout
    from gradassay_rnn_tanh._layout import layouts as layouts
    from gradassay_rnn_tanh._spec import spec as spec

_HOME = {
    "RNN": "_config",
    "Call": "_config",
    "Recurrent": "_config",
    "Layout": "_layout",
    "layouts": "_layout",
    "spec": "_spec",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay_rnn_tanh.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay_rnn_tanh' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

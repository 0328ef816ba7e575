"""Tokens in, a class at every step out, as a spec of Gradassay: the distribution's README is the normative text.

Importing this imports nothing of it, so that a backend's offers can read which features there are
(`gradassay_seq2seq._features`) without NumPy and without the equations.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_seq2seq._config import Call as Call
    from gradassay_seq2seq._config import Seq2Seq as Seq2Seq
    from gradassay_seq2seq._spec import spec as spec

_HOME = {"Seq2Seq": "_config", "Call": "_config", "spec": "_spec"}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay_seq2seq.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay_seq2seq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

"""One vector in, a sequence out, as a spec of Gradassay: the distribution's README is the normative text.

Importing this imports nothing of it, so that a backend's offers can read which features there are
(`gradassay_one_to_many._features`) without NumPy and without the equations.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_one_to_many._config import Call as Call
    from gradassay_one_to_many._config import OneToMany as OneToMany
    from gradassay_one_to_many._spec import spec as spec

_HOME = {"OneToMany": "_config", "Call": "_config", "spec": "_spec"}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay_one_to_many.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay_one_to_many' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

"""A package as a folder of entries: one module, one of a kind; a module that is put there is found."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def entries(package: ModuleType, kind: type[T], name: Callable[[T], str], called: str) -> dict[str, T]:
    """Return what the modules of a package hold of a kind, under any name, by its own; modules come in order.

    Args:
        package: the folder.
        kind: whose instances are wanted.
        name: the name of one.
        called: what two of one name are, for the message: "properties are called".

    Raises:
        ValueError: if two have one name.
    """
    found: dict[str, T] = {}
    for module in sorted(info.name for info in iter_modules(package.__path__)):
        for value in vars(import_module(f"{package.__name__}.{module}")).values():
            if isinstance(value, kind):
                if found.setdefault(name(value), value) is not value:
                    raise ValueError(f"two {called} {name(value)}; the second is in {module}.py")
    return found

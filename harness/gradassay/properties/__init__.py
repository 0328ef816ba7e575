"""The generic properties: one module, one property. A module put into this folder is found."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from gradassay._property import Property


@cache
def properties() -> dict[str, Property]:
    """Return every generic property by name, in the order of the modules' names."""
    found: dict[str, Property] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Property):
                if value.name in found and found[value.name] is not value:
                    raise ValueError(f"two properties are called {value.name}; the second is in {module}.py")
                found[value.name] = value
    return found

"""The generic properties: one module, one property. A module put into this folder is found."""

from __future__ import annotations

import sys
from functools import cache

from gradassay._property import Property, scan


@cache
def properties() -> dict[str, Property]:
    """Return every generic property by name, in the order of the modules' names."""
    return scan(sys.modules[__name__])

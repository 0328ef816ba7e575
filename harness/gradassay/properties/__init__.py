"""The generic properties: one module, one property. A module put into this folder is found."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from gradassay._errors import UsageError
from gradassay._property import Property, scan

if TYPE_CHECKING:
    from gradassay._spec import Spec


@cache
def properties() -> dict[str, Property]:
    """Return every generic property by name, in the order of the modules' names."""
    return scan(sys.modules[__name__])


def properties_of(spec: Spec[Any, Any]) -> dict[str, Property]:
    """Return every property that a spec is asked, by name: the generic ones, then its own.

    Raises:
        UsageError: if one of its own has the name of a generic one.
    """
    own = {one.name: one for one in spec.properties}
    if taken := sorted(own.keys() & properties()):
        raise UsageError(f"the spec {spec.name} has a property `{taken[0]}`, which is the name of a generic one")
    return properties() | own

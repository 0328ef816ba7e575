"""Below the limit nothing is changed, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._property import Finding, Property
from gradassay_clip.properties._told import norm_of, numbers
from gradassay_lstm._relations import unchanged

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

PROMISE = "bits below the limit"


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    outputs = subject.forward().outputs
    for number in numbers(case):
        g, got = case.tensors[f"g{number}"], outputs.get(f"clipped_g{number}")
        inside = _inside(case, number)
        if np.any(inside):
            name = f"clipped_g{number} below the limit"
            yield unchanged(name, g, got, np.broadcast_to(inside, g.shape), case.table[f"clipped_g{number}"])


def _inside(case: Case, number: int) -> Any:
    """Return the mask of what is not to be clipped of a tensor."""
    wide = {n: case.tensors[f"g{n}"].astype(np.float64) for n in numbers(case)}
    limit, epsilon = case.config.limit, case.config.epsilon
    if case.config.by == "value":
        return np.abs(wide[number]) < limit
    return np.asarray(norm_of([wide[number]] if case.config.by == "each" else list(wide.values())) + epsilon < limit)


untouched_below = Property(
    name="untouched_below",
    claim="Below the limit nothing is changed, bit for bit.",
    equation="clip(g) = g where |g| < limit",
    needs=frozenset({"forward"}),
    check=_check,
    promise=PROMISE,
)

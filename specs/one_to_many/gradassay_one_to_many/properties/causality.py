"""No output depends on what goes in later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property, compare
from gradassay_lstm._relations import named, truth, unchanged
from gradassay_lstm._variations import made, where

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    t, y, shift = (case.config.steps - 1) // 2, case.table["y"], case.table["shift"]
    later = where(shift, lambda step: step > t, "step")
    # Other numbers, though the shift be zero: no two of them are equal.
    other = case.tensors["shift"] + np.where(later, case.tangents["shift"], 0).astype(case.tensors["shift"].dtype)
    changed = made(case, f"changed-beyond-{t}", dict(case.tensors) | {"shift": other})
    first, second = subject.forward().outputs.get("y"), subject.of(changed).forward().outputs.get("y")
    seen = where(y, lambda step: step <= t, "step")
    yield unchanged(f"y up to step {t}, what goes in changed beyond it", first, second, seen, y)
    if "vjp" in subject.operators:
        along = {name: np.zeros_like(array) for name, array in case.cotangents.items()}
        along["y"][:, t] = case.cotangents["y"][:, t]
        references = truth(oracle, made(case, f"y-at-{t}", case.tensors, along), ("x", "shift"))
        gradients = subject.vjp(cotangents=along).gradients
        yield from named(compare(gradients, references, ("x", "shift"), case, "d "), f"y at step {t}")


causality = Property(
    name="causality",
    claim="No output depends on what goes in at a later step.",
    equation="dy_t/dshift_s = 0 for s > t, and y_t is the same bits whatever shift_s is",
    needs=frozenset({"forward"}),
    check=_check,
    applies=lambda case: case.call.shift and case.config.steps > 1 and not case.config.lstm.bidirectional,
    thorough=True,
)

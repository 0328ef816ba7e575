"""The gradient of the one input is the sum of the gradients of what goes in at every step that it goes in at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import combined, truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    gradients, scales = subject.vjp().gradients, truth(oracle, case)
    one, every = gradients.get("x"), gradients.get("shift")
    if one is None or every is None or (one.shape, every.shape) != (case.table["x"].shape, case.table["shift"].shape):
        yield Finding("x", fault="got no gradients of x and of shift of their shapes, so that there is no sum")
        return
    uses = slice(0, 1) if case.config.feedback else slice(None)
    # Not by squares: those of a sigma of 1e-180 underflow.
    spread = np.hypot.reduce(scales["d shift"].sigma[:, uses], axis=1)
    reference = combined(one, scales["d x"], [replace(scales["d shift"], sigma=spread)])
    total = every[:, uses].astype(np.float64).sum(axis=1)
    yield Finding("x as the sum over its steps", total, reference, (case.table["x"],))


every_input = Property(
    name="every_input",
    claim="The gradient of a repeated vector is the sum of its repeats' gradients; fed back, that of the first input.",
    equation="dL/dx = sum_t dL/dshift_t; with feedback dL/dx = dL/dshift_0",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.shift,
)

"""Where a loss ends, the rest of the sequence is nothing: all is as if there had been no more steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, placed, same, scales_of, truth
from gradassay_lstm._variations import made, taking, where
from gradassay_one_to_many._steps import steps_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    end = case.config.steps - 1
    # The states are in the loss, by nothing: a mode that compiles has compiled this already.
    seen = {name: np.zeros_like(array) for name, array in case.cotangents.items()}
    seen["y"][:, :end] = case.cotangents["y"][:, :end]
    early = made(case, "loss-on-a-prefix", case.tensors, seen)
    alone = steps_of(early, 0, end, "prefix-alone", seen)
    whole = subject.vjp(cotangents=seen)
    keep = taking(case, {"step": range(end)})
    scales = truth(oracle, early)
    # The states after the last step of the prefix are none of the whole sequence's.
    names = ["y", *case.differentiable]
    short = scales_of(scales, case, keep)
    yield from same(placed(whole, case, keep), subject.of(alone).vjp(), short, alone, f"the first {end} steps", names)
    if case.call.shift:
        shift, got, scale = case.table["shift"], whole.gradients.get("shift"), scales["d shift"]
        if got is not None and got.shape == shift.shape:
            blind = scale.blind if scale.overflow else ""
            after = where(shift, lambda step: step >= end, "step")
            yield exactly_zero("shift beyond the loss", got, after, (shift,), blind)


prefix = Property(
    name="prefix",
    claim="Fewer steps give the same first outputs, and a loss that sees these alone the same gradients.",
    equation="f_t(x)_s = f_T(x)_s for s < t < T, dL(y_0..y_{t-1})/dv likewise, and dL/dshift_s = 0 for s >= t",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.config.steps > 1 and not case.config.lstm.bidirectional,
    thorough=True,
    compiles=True,
)

"""Where a loss ends, the rest of the sequence is nothing: values and gradients are those of the prefix run alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, placed, same, scales_of, truth
from gradassay_lstm._variations import made, steps_of, taking, where

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    end = case.call.steps - 1
    y, x = case.table["y"], case.table["x"]
    # The other outputs are in the loss, by nothing: a mode that compiles has compiled this already.
    cotangents = {name: np.zeros_like(array) for name, array in case.cotangents.items()}
    seen = where(y, lambda step: step < end, "step")
    cotangents["y"] = np.where(seen, case.cotangents["y"], 0).astype(case.cotangents["y"].dtype)
    whole = subject.vjp(cotangents=cotangents)
    early = made(case, "loss-on-a-prefix", case.tensors, cotangents)
    finals = {name: array for name, array in cotangents.items() if name != "y"}
    alone = steps_of(early, 0, end, "prefix-alone", {}, finals)
    subject.require(alone)
    keep = taking(case, {"step": range(end)})
    scales = scales_of(truth(oracle, early), case, keep)
    # The states after the last step of the prefix are none of the whole sequence's.
    names = ["y", *case.differentiable]
    yield from same(placed(whole, case, keep), subject.of(alone).vjp(), scales, alone, f"the first {end} steps", names)
    got = whole.gradients.get("x")
    if got is not None and got.shape == x.shape:
        scale = scales["d x"]
        after = where(x, lambda step: step >= end, "step")
        blind = scale.blind if scale.overflow else ""
        yield exactly_zero("x beyond the loss", got, after, (x,), blind)


prefix = Property(
    name="prefix",
    claim="With a loss that sees the first steps alone, all is as if the sequence had ended there.",
    equation="dL(y_1..y_t)/dv of x_1..x_T = that of x_1..x_t",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: (
        case.call.steps > 1
        and case.call.batch > 0
        and not case.config.bidirectional
        and case.template.ask.get("cotangents") != "last output"
    ),
    thorough=True,
    compiles=True,
)

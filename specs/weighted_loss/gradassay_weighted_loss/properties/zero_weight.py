"""What has a weight of 0 does not count: its target has no gradient, and may be any number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, truth, unchanged
from gradassay_lstm._variations import made, otherwise
from gradassay_weighted_loss._mixed import wide

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answer, tensor, scale = subject.vjp(), case.table["target"], truth(oracle, case)["d target"]
    got, mask = answer.gradients.get("target"), wide(case) == 0
    if got is None or got.shape != tensor.shape:
        there = "nothing" if got is None else f"shape {got.shape}"
        yield Finding("target of weight 0", fault=f"got {there}; should be of shape {tensor.shape}")
    else:
        yield exactly_zero("target of weight 0", got, mask, (tensor,), scale.blind if scale.overflow else "")
    tensors = dict(case.tensors) | {"target": otherwise(case.tensors["target"], mask)}
    other = subject.of(made(case, "other-target", tensors)).vjp()
    for name in ("loss", *case.differentiable):
        if name == "weights":  # its gradient is the square of what was changed
            continue
        group = "outputs" if name == "loss" else "gradients"
        one, two = getattr(answer, group).get(name), getattr(other, group).get(name)
        everywhere = np.ones(case.table[name].shape, dtype=np.bool_)
        yield unchanged(f"{name} of another target of weight 0", one, two, everywhere, case.table[name])


zero_weight = Property(
    name="zero_weight",
    claim="Where the weight is 0 the target has a gradient of exactly 0, and what it is changes nothing, bit for bit.",
    equation="w_i = 0: dL/dtarget_i = 0, and L and dL/dv (v not w) are the same bits for every target_i",
    needs=frozenset({"vjp"}),
    check=_check,
)

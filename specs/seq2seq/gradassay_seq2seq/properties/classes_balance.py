"""What the loss gains at one class it loses at the others: softmax sums to 1 whatever the logits are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import combined, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    seen = dict(case.cotangents) | {"logits": np.zeros_like(case.cotangents["logits"])}
    alone = made(case, "loss-alone", case.tensors, seen)
    got, scale = subject.of(alone).vjp().gradients.get("bias_out"), truth(oracle, alone)["d bias_out"]
    if got is None or got.shape != scale.high.shape:
        yield Finding("bias_out", fault=f"got no gradient of shape {scale.high.shape}, so that there is no sum")
        return
    # The sum of all but the first class, beside minus the first: both carry their own noise.
    rest = replace(scale, sigma=np.asarray(np.linalg.norm(scale.sigma[1:]))[None])
    first = replace(scale, high=scale.high[:1], sigma=scale.sigma[:1], zero=np.zeros(1, dtype=np.bool_))
    reference = combined(-got[:1].astype(np.float64), first, [rest])
    yield Finding("bias_out summed over classes", np.asarray([got[1:].astype(np.float64).sum()]), reference)


classes_balance = Property(
    name="classes_balance",
    claim="The gradients of the loss with respect to the classes' biases sum to 0.",
    equation="sum_k dL/dbias_out[k] = 0, for a loss that sees no logit but through the mean",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.template.ask.get("cotangents") != "last output",
    thorough=True,
)

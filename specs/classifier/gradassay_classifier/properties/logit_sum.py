"""Cross-entropy does not see what is added to all logits of a row: its gradient sums to zero over the classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_classifier._alone import absent, loss_alone
from gradassay_lstm._relations import truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

HEAD = ("head_weight", "head_bias")


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    alone = loss_alone(case)
    gradients = subject.vjp(cotangents=alone.cotangents).gradients
    scales = truth(oracle, alone, HEAD)
    for name in HEAD:
        got, tensor, scale = gradients.get(name), case.table[name], scales[f"d {name}"]
        what = f"{name}, summed over the classes, of the loss"
        if got is None or got.shape != tensor.shape:
            yield Finding(what, fault=absent(got, tensor.shape))
            continue
        nothing = np.zeros(tensor.shape[1:])
        # Not by squares: an error of the normalizer is one error of all classes.
        sigma = np.maximum(scale.sigma.sum(axis=0), np.finfo(np.float64).tiny)
        reference = replace(
            scale, high=nothing, low=nothing, radius=nothing, zero=np.zeros(nothing.shape, np.bool_), sigma=sigma
        )
        summed = np.asarray(got.astype(np.float64).sum(axis=0))
        yield Finding(what, summed, reference, (replace(tensor, axes=tensor.axes[1:]),))


logit_sum = Property(
    name="logit_sum",
    claim="The gradient of the loss with respect to the logits sums to zero over the classes.",
    equation="sum_c dL/db_c = 0, sum_c dL/dW_c = 0",
    needs=frozenset({"vjp"}),
    check=_check,
)

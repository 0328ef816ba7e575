"""The loss is the cross-entropy of the logits that it came with, and the bias' gradient is softmax less one-hot."""

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
    from gradassay._oracle import Oracle, Reference
    from gradassay._spec import Array
    from gradassay._subject import Subject


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return (the mean loss (), its gradient with respect to the logits (B, C)) in float64."""
    rows = np.arange(len(logits))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=-1, keepdims=True)
    probabilities = exponentials / sums
    losses = np.log(sums[:, 0]) - shifted[rows, labels]
    probabilities[rows, labels] -= 1.0
    return np.asarray(losses.mean()), probabilities / len(logits)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    alone = loss_alone(case)
    answer = subject.vjp(cotangents=alone.cotangents)
    scales = truth(oracle, alone, ("head_bias",))
    logits = answer.outputs.get("logits")
    if logits is None or logits.shape != case.table["logits"].shape:
        yield Finding("loss of its logits", fault=absent(logits, case.table["logits"].shape))
        return
    with np.errstate(invalid="ignore"):  # logits that are not finite are for `values` to tell
        loss, slope = cross_entropy(logits.astype(np.float64), case.tensors["labels"])
    pulled = slope.sum(axis=0) * float(alone.cotangents["loss"])
    for what, name, got, right, scale in (
        ("loss of its logits", "loss", answer.outputs.get("loss"), loss, scales["loss"]),
        ("head_bias of its logits", "head_bias", answer.gradients.get("head_bias"), pulled, scales["d head_bias"]),
    ):
        if got is None or got.shape != right.shape:
            yield Finding(what, fault=absent(got, right.shape))
        else:
            yield Finding(what, np.asarray(got), _of(right, scale), (case.table[name],))


def _of(right: Array, scale: Reference) -> Reference:
    """The certified noise about another number: it holds all rounding between the logits and the loss, and more."""
    nothing = np.zeros(right.shape)
    zero = np.zeros(right.shape, dtype=np.bool_)
    sigma = np.maximum(scale.sigma, np.finfo(np.float64).tiny)
    return replace(scale, high=right, low=nothing, radius=nothing, zero=zero, sigma=sigma)


loss_of_logits = Property(
    name="loss_of_logits",
    claim="The loss is the cross-entropy of the logits beside it, and its gradient there softmax less one-hot.",
    equation="L = mean_b (logsumexp z_b - z_b[label]), dL/db = mean_b (softmax z_b - e_label)",
    needs=frozenset({"vjp"}),
    check=_check,
)

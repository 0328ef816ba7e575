"""Euler's identity: the loss is of degree 1 in its weights, or of degree 0 if it is divided by their sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answer, scales = subject.vjp(), truth(oracle, case)
    what, tensor = "loss of its weights' gradient", case.table["weights"]
    slope, loss = answer.gradients.get("weights"), answer.outputs.get("loss")
    if slope is None or slope.shape != tensor.shape or loss is None or loss.shape != ():
        shapes = " and ".join("nothing" if a is None else f"shape {a.shape}" for a in (slope, loss))
        yield Finding(what, fault=f"got {shapes}; should be shape {tensor.shape} and a number")
        return
    weights = case.tensors["weights"].astype(np.float64)
    got = np.asarray(np.sum(weights * slope.astype(np.float64)))
    pulled = float(case.cotangents["loss"])
    right = np.asarray(0.0 if case.config.reduction == "weighted mean" else pulled * float(loss))
    # Not by squares: what is wrong with the divisor is wrong with all elements alike.
    of_slope = float(np.sum(np.abs(weights) * scales["d weights"].sigma))
    sigma = np.asarray(max(np.hypot(of_slope, abs(pulled) * float(scales["loss"].sigma)), np.finfo(np.float64).tiny))
    nothing, zero = np.zeros(()), np.zeros((), dtype=np.bool_)
    reference = replace(scales["d weights"], high=right, low=nothing, radius=nothing, zero=zero, sigma=sigma)
    if scales["loss"].blind and not reference.blind:
        reference = replace(reference, blind=scales["loss"].blind, overflow=scales["loss"].overflow)
    yield Finding(what, got, reference, (case.table["loss"],))


homogeneous = Property(
    name="homogeneous",
    claim="The weights' gradient along the weights is the loss, or nothing where the loss is divided by their sum.",
    equation="<w, dL/dw> = L for sum and mean, 0 for the weighted mean",
    needs=frozenset({"vjp"}),
    check=_check,
)

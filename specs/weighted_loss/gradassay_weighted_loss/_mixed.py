"""Losses that are combinations of other losses: what they are divided by, and findings about their sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding
from gradassay._spec import Array
from gradassay_lstm._relations import combined

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Reference
    from gradassay._session import Answer

Part = tuple[float, "Answer", Mapping[str, "Reference"]]  # a coefficient, an answer, and its references


def divisor(case: Case) -> float:
    """Return what the case's loss is divided by."""
    elements = prod(case.table["target"].shape)
    if case.config.reduction == "sum":
        return 1.0
    return float(elements) if case.config.reduction == "mean" else mass(case)


def mass(case: Case) -> float:
    """Return the sum of the weights over all elements that have one."""
    weights = case.tensors["weights"].astype(np.float64)
    return float(weights.sum() * (prod(case.table["target"].shape) / weights.size))


def wide(case: Case) -> Array:
    """Return every element's weight, of the target's shape."""
    weights, target = case.tensors["weights"], case.tensors["target"]
    return np.broadcast_to(weights.reshape(weights.shape + (1,) * (target.ndim - weights.ndim)), target.shape)


def mixed(
    case: Case, whole: Answer, scales: Mapping[str, Reference], parts: Sequence[Part], names: Sequence[str], what: str
) -> Iterator[Finding]:
    """Set sum_k c_k a_k beside the whole's own answer a, for the loss and for gradients of these names."""
    for name in ("loss", *names):
        key = name if name == "loss" else f"d {name}"
        total = _of(whole, name)
        terms = [_of(answer, name) for _, answer, _ in parts]
        shape = scales[key].high.shape
        lost = [array for array in (total, *terms) if array is None or array.shape != shape]
        if total is None or lost:
            there = "nothing" if not lost or lost[0] is None else f"shape {lost[0].shape}"
            yield Finding(f"{name} of {what}", fault=f"got {there} in one of them; should be of shape {shape}")
            continue
        arrays = [array.astype(np.float64) for array in terms if array is not None]
        got = np.sum([c * array for (c, _, _), array in zip(parts, arrays, strict=True)], axis=0)
        noise = [replace(known[key], sigma=abs(c) * known[key].sigma) for c, _, known in parts]
        yield Finding(f"{name} of {what}", np.asarray(got), combined(total, scales[key], noise), (case.table[name],))


def _of(answer: Answer, name: str) -> Array | None:
    return answer.outputs.get(name) if name == "loss" else answer.gradients.get(name)

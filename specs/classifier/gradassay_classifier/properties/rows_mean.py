"""The loss of a batch is the mean of the losses of its rows, and so is every gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_classifier._alone import absent, loss_alone
from gradassay_lstm._relations import combined, truth
from gradassay_lstm._variations import rows

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._spec import Array
    from gradassay._subject import Subject

MOST = 4  # rows up to which every one is run alone


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    alone, count = loss_alone(case), case.call.batch
    whole, scales = subject.vjp(cotangents=alone.cotangents), truth(oracle, alone)
    parts, references = [], []
    for row in range(count):
        one = rows(alone, [row], f"row-{row}")
        parts.append(subject.of(one).vjp())
        references.append(truth(oracle, one))
    yield _mean(
        case,
        "loss",
        whole.outputs.get("loss"),
        [part.outputs.get("loss") for part in parts],
        scales["loss"],
        [reference["loss"] for reference in references],
    )
    for name in case.parameters:
        pulled = [part.gradients.get(name) for part in parts]
        known = [reference[f"d {name}"] for reference in references]
        yield _mean(case, name, whole.gradients.get(name), pulled, scales[f"d {name}"], known)
    for row, (part, reference) in enumerate(zip(parts, references, strict=True)):
        yield _share(case, row, whole.gradients.get("x"), part.gradients.get("x"), scales["d x"], reference["d x"])


def _mean(
    case: Case,
    name: str,
    whole: Array | None,
    parts: list[Array | None],
    scale: Reference,
    references: list[Reference],
) -> Finding:
    """Set the mean of the rows' answers beside that of the batch."""
    what = f"{name} of the rows alone, their mean"
    there = [part for part in parts if part is not None and part.shape == scale.high.shape]
    if whole is None or whole.shape != scale.high.shape or len(there) < len(parts):
        lost = next((part for part in (whole, *parts) if part is None or part.shape != scale.high.shape), None)
        return Finding(what, fault=absent(lost, scale.high.shape))
    count = len(parts)
    got = np.mean([part.astype(np.float64) for part in there], axis=0)
    noise = [replace(reference, sigma=reference.sigma / count) for reference in references]
    return Finding(what, np.asarray(got), combined(whole, scale, noise), (case.table[name],))


def _share(
    case: Case, row: int, whole: Array | None, alone: Array | None, scale: Reference, reference: Reference
) -> Finding:
    """Set a row's own gradient of x, divided by B, beside its part of that of the batch."""
    what, tensor, count = f"x of row {row} alone, 1/{case.call.batch} of it", case.table["x"], case.call.batch
    shape = (1, *tensor.shape[1:])
    if whole is None or whole.shape != tensor.shape or alone is None or alone.shape != shape:
        return Finding(what, fault=absent(alone if whole is not None and whole.shape == tensor.shape else whole, shape))
    here = slice(row, row + 1)
    cut = replace(
        scale,
        high=scale.high[here],
        low=scale.low[here],
        radius=scale.radius[here],
        zero=scale.zero[here],
        sigma=scale.sigma[here],
    )
    expected = combined(whole[here], cut, [replace(reference, sigma=reference.sigma / count)])
    axes = (tuple(replace(axis, size=1) for axis in tensor.axes[0]), *tensor.axes[1:])
    return Finding(what, alone.astype(np.float64) / count, expected, (replace(tensor, axes=axes),))


rows_mean = Property(
    name="rows_mean",
    claim="The loss of a batch, and each of its gradients, is the mean of those of its rows.",
    equation="L(x) = 1/B sum_b L(x_b), dL/dW = 1/B sum_b dL_b/dW, dL/dx_b = 1/B dL_b/dx_b",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: 1 < case.call.batch <= MOST,
    thorough=True,
    compiles=True,
)

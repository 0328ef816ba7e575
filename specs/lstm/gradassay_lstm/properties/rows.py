"""The rows of a batch have nothing to do with each other: none leaks into another; alone each is as in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import Scales, added, exactly_zero, of_rows, placed, right, same, scales_of, truth
from gradassay_lstm._variations import made, moved, otherwise, rows, taking, where

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject

MOST = 8  # rows that are run one by one; of a larger batch the first, a middle and the last one


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    last, scales = case.call.batch - 1, truth(oracle, case)
    for kept in (0, last):
        yield from _others_changed(subject, case, kept, scales)
    yield from _one_in_the_loss(subject, case, last, scales)
    chosen = range(last + 1) if last < MOST else (0, last // 2, last)
    answers, references = [], []
    for row in chosen:
        one = rows(case, [row], f"row-{row}")
        answers.append(subject.of(one).vjp())
        references.append(truth(oracle, one))
        yield from right(answers[-1], references[-1], one, f"row {row} alone")
    if len(chosen) == case.call.batch:
        parts, whole = [answer.gradients for answer in answers], subject.vjp().gradients
        yield from added(whole, parts, scales, references, case.parameters, case, "the rows alone, summed")


def _others_changed(subject: Subject, case: Case, kept: int, scales: Scales) -> Iterator[Finding]:
    """Change the data and the cotangents of all rows but one, and look at that one."""

    def change(name: str, array: Array) -> Array:
        tensor = case.table[name]
        if tensor.role not in ("input", "state", "output"):
            return array
        return otherwise(array, where(tensor, lambda row: row != kept, "row"))

    other = made(case, f"but-row-{kept}", moved(case, case.tensors, change), moved(case, case.cotangents, change))
    one, keep = rows(case, [kept], f"row-{kept}"), taking(case, {"row": [kept]})
    first, second = (placed(answer, case, keep) for answer in (subject.vjp(), subject.of(other).vjp()))
    what = f"row {kept}, the others changed"
    yield from same(first, second, scales_of(scales, case, keep), one, what, of_rows(case))


def _one_in_the_loss(subject: Subject, case: Case, row: int, scales: Scales) -> Iterator[Finding]:
    """Give one row alone a cotangent: whatever belongs to another row has a gradient of exactly 0."""
    cotangents = {
        name: np.where(where(case.table[name], lambda at: at == row, "row"), array, 0).astype(array.dtype)
        for name, array in case.cotangents.items()
    }
    gradients = subject.vjp(cotangents=cotangents).gradients
    for name in (n for n in of_rows(case) if n not in case.outputs):
        got, tensor, scale = gradients.get(name), case.table[name], scales[f"d {name}"]
        what = f"{name} of other rows, row {row} in the loss"
        if got is None or got.shape != tensor.shape:
            shape = "nothing" if got is None else f"shape {got.shape}"
            yield Finding(what, fault=f"got {shape}; should be of shape {tensor.shape}")
        else:
            others = where(tensor, lambda at: at != row, "row")
            yield exactly_zero(what, got, others, (tensor,), scale.blind if scale.overflow else "")


rows_ = Property(
    name="rows",
    claim="No row depends on another: not by value, not by gradient, and alone it is as in the batch.",
    equation="f(x)_b = f(x_b), dy_b/dx_b' = 0 for b' != b, dL/dW = sum_b dL_b/dW",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 1,
    thorough=True,
    compiles=True,
)

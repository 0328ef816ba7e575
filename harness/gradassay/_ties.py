"""Data with equal rows or equal steps: real rounding is coherent there, and the noise unit is widened a priori.

Independent noise averages out over n terms; the errors of n equal terms are equal, and add up. No sum of them strays
further than n times what one term does, so the noise unit is multiplied by the number of the equal ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradassay._case import Case
from gradassay._limits import BLIND
from gradassay._noise import root_mean_square
from gradassay._oracle import Oracle, Query, Reference
from gradassay._spec import Array, Tensor

Bytes = npt.NDArray[np.uint8]
Marks = npt.NDArray[np.bool_]

ROW, STEP = "row", "step"  # what specs call the axis of the batch, and that of time


@dataclass(frozen=True)
class Ties:
    """How many rows of a batch are equal in all that is given, and how many steps of one row: 1 where none are."""

    rows: int = 1
    steps: int = 1

    def factor(self, tensor: Tensor | None) -> int:
        """What the noise unit of a tensor is multiplied by.

        Rows know nothing of each other, so equal ones matter to what is summed over the batch; steps are chained,
        so equal ones matter everywhere.
        """
        apart = tensor is not None and axis_of(tensor, ROW) is not None
        return self.steps * (1 if apart else self.rows)

    def __str__(self) -> str:
        counts = {"rows": self.rows, "steps": self.steps}
        return " and ".join(f"{count} equal {what}" for what, count in counts.items() if count > 1)


class TiedOracle(Oracle):
    """Answers as `Oracle` does, with noise units that hold for data with ties; the rung of each reference says so."""

    def ask(self, case: Case, query: Query) -> dict[str, Reference]:
        answer = super().ask(case, query)
        tied = ties(case, answer)
        return {
            name: widened(reference, tied, case.table.get(name.removeprefix("d ")))
            for name, reference in answer.items()
        }


def widened(reference: Reference, tied: Ties, tensor: Tensor | None) -> Reference:
    """Return the reference with its noise unit multiplied, blind where that leaves nothing to be seen."""
    factor = tied.factor(tensor)
    if factor == 1:
        return reference
    sigma, ordinary = factor * reference.sigma, ~reference.zero
    noise, value = (root_mean_square(a[ordinary]) for a in (sigma, reference.high))
    hides = f"the a-priori noise of {tied} is more than 1/{1 / BLIND:.0f} of the value" if noise > BLIND * value else ""
    rung = f"{reference.rung}, a-priori noise ({tied})"
    return replace(reference, sigma=sigma, blind=reference.blind or hides, rung=rung)


def ties(case: Case, answer: Mapping[str, Reference]) -> Ties:
    """Count rows that are equal in all data with rows, and the steps of one row that are equal in all with steps.

    A step that the answer proves to have no effect on anything, on padding for instance, is not counted.
    """
    given = [(case.table[name], array) for name, array in case.inputs.items()]
    whole = [_along(array, (axis,)) for tensor, array in given if (axis := axis_of(tensor, ROW)) is not None]
    stepped: dict[bool, list[Bytes]] = {}
    felt: dict[bool, list[Marks]] = {}
    for tensor, array in given:
        row, step = axis_of(tensor, ROW), axis_of(tensor, STEP)
        if step is not None and array.size:
            axes = (step,) if row is None else (row, step)
            stepped.setdefault(row is None, []).append(_along(array, axes))
            if tensor.role == "input":
                felt.setdefault(row is None, []).append(_felt(answer.get(f"d {tensor.name}"), array, axes))
    steps = 1
    for kind, parts in stepped.items():
        joined = np.concatenate(parts, axis=-1)
        *_, count, width = joined.shape
        seen = np.any(felt[kind], axis=0) if kind in felt else np.ones(joined.shape[:-1], dtype=bool)
        rows = zip(joined.reshape(-1, count, width), seen.reshape(-1, count), strict=True)
        steps = max([steps, *(_most(one[marks]) for one, marks in rows)])
    return Ties(_most(np.concatenate(whole, axis=-1)) if whole else 1, steps)


def axis_of(tensor: Tensor, name: str) -> int | None:
    """Return which dimension of a tensor's array an axis is, alone or in a product; None if it has none of the name."""
    return next((i for i, group in enumerate(tensor.axes) if any(axis.name == name for axis in group)), None)


def _along(array: Array, axes: tuple[int, ...]) -> Bytes:
    """Return the array's bytes, with these axes in front and all others in one."""
    moved = np.ascontiguousarray(np.moveaxis(array, axes, range(len(axes))))
    front = moved.shape[: len(axes)]
    width = int(np.prod(moved.shape[len(axes) :], dtype=np.int64)) * array.dtype.itemsize
    return np.frombuffer(moved.tobytes(), np.uint8).reshape(*front, width)


def _felt(gradient: Reference | None, array: Array, axes: tuple[int, ...]) -> Marks:
    """Mark the steps whose gradient is not proved to be exactly zero; all, where there is none."""
    nonzero = np.ones(array.shape, dtype=bool) if gradient is None else ~gradient.zero
    moved = np.moveaxis(nonzero, axes, range(len(axes)))
    return np.asarray(moved.reshape(*moved.shape[: len(axes)], -1).any(axis=-1))


def _most(parts: Bytes) -> int:
    """Return how often the most frequent of some byte strings (count, width) occurs; at least 1."""
    return max(Counter(part.tobytes() for part in parts).values(), default=1)

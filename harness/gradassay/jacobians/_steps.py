"""A Jacobian between two sequences as one matrix for each pair of steps: sizes, decay, singular values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradassay._errors import UsageError
from gradassay._spec import Array
from gradassay.jacobians._side import Side


@dataclass(frozen=True)
class Extremes:
    """The largest and the smallest singular value of each matrix, (steps of `of`, steps of `wrt`)."""

    largest: Array
    smallest: Array


@dataclass(frozen=True)
class StepBlocks:
    """Matrices d out_t / d into_s.

    Attributes:
        array: (steps out, steps in, rows, elements out, elements in). Where rows are independent these are the rows'
            own matrices; where they are not, all rows are one.
        out, into: what they are of, in words.
        out_steps, into_steps: which steps these are.
    """

    array: Array
    out: str
    into: str
    out_steps: tuple[int, ...]
    into_steps: tuple[int, ...]

    @classmethod
    def of(cls, block: Array, of: Side, wrt: Side, rows: str, axis: str) -> StepBlocks:
        """Take a block (*of, *wrt) apart.

        Raises:
            UsageError: if one side has no axis of this name.
        """
        for side in (of, wrt):
            if side.axis(axis) is None:
                raise UsageError(f"{side.name} has no axis {axis!r}: there are no blocks of it")
        step, other = of.axis(axis), wrt.axis(axis)
        assert step is not None and other is not None  # as has just been seen
        rank = len(of.block)
        array = np.moveaxis(block, (step, rank + other), (0, 1))
        row, column = of.axis(rows), wrt.axis(rows)
        if row is not None and column is not None:
            # Where an axis was taken from in front of it, the axis of rows has moved down by one, else by two less.
            first = 2 + row - (row > step)
            second = 2 + (rank - 1) + column - (column > other)
            pairs = [
                (a, b) for a, r in enumerate(of.positions[row]) for b, c in enumerate(wrt.positions[column]) if r == c
            ]
            parts = [array.take(b, axis=second).take(a, axis=first) for a, b in pairs]
            array = np.stack(parts, axis=2) if parts else array.take([], axis=first)[:, :, :0]
            outs = [n for a, n in enumerate(of.block) if a not in (step, row)]
        else:
            array = array[:, :, None]
            outs = [n for a, n in enumerate(of.block) if a != step]
        size = int(np.prod(outs, dtype=np.int64))
        shape = (*array.shape[:3], size, int(np.prod(array.shape[3 + len(outs) :], dtype=np.int64)))
        return cls(array.reshape(shape), of.name, wrt.name, of.positions[step], wrt.positions[other])

    def norms(self) -> Array:
        """Return the Frobenius norm of each block, over all rows: (steps out, steps in), float64."""
        wide = self.array.astype(np.float64)
        return np.asarray(np.sqrt(np.einsum("tsrij,tsrij->ts", wide, wide)))

    def decay(self) -> Array:
        """Return (lag, median, least, most) of the norms over all pairs of a lag t - s >= 0: (lags, 4)."""
        norms = self.norms()
        lags = np.subtract.outer(np.array(self.out_steps), np.array(self.into_steps))
        found = []
        for lag in np.unique(lags[lags >= 0]):
            sizes = norms[lags == lag]
            found.append((float(lag), float(np.median(sizes)), float(sizes.min()), float(sizes.max())))
        return np.array(found).reshape(-1, 4)

    def singular_values(self) -> Extremes:
        """Return the extreme singular values of each block; of several rows, the largest and the smallest of all."""
        steps, others, rows, *sides = self.array.shape
        if not rows or not all(sides):
            return Extremes(np.zeros((steps, others)), np.zeros((steps, others)))
        values = np.linalg.svd(self.array.astype(np.float64), compute_uv=False)
        return Extremes(values.max(axis=(2, 3)), values.min(axis=(2, 3)))

    def picture(self, path: str | Path, title: str = "") -> None:
        """Write an SVG of all three."""
        from gradassay.views.jacobian import svg_of

        Path(path).write_text(svg_of(self, title or f"d {self.out} step t / d {self.into} step s"), encoding="utf-8")

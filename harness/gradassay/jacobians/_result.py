"""A computed Jacobian: its numbers, how they were come by, and what can be read off them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gradassay._spec import Array
from gradassay.jacobians._certify import Certificate, certify, covered
from gradassay.jacobians._linear import Cost
from gradassay.jacobians._memory import told
from gradassay.jacobians._side import Side
from gradassay.jacobians._source import Source
from gradassay.jacobians._steps import Extremes, StepBlocks
from gradassay.views._words import count


@dataclass(frozen=True)
class Jacobian:
    """d of / d wrt, or a block of it.

    Attributes:
        block: (*of, *wrt), with an axis for each of the tensors' own; `array` is without those that an integer chose.
        route: how it was computed.
        why: why in that way, with the counts that decided.
        notes: what was found on the way, such as a promise of the spec that this model breaks.
        cost: what was asked of the backend for it, probes included if it was a plan's first call.
        seconds: from the call to the answer, conversion and products included.
        error: half the width of each entry's 95% error bar, if these are estimates by finite differences; else None.
    """

    source: Source
    of: Side
    wrt: Side
    block: Array
    route: str
    why: str
    notes: tuple[str, ...]
    cost: Cost
    seconds: float
    error: Array | None = None

    @property
    def name(self) -> str:
        return f"d {self.of} / d {self.wrt}"

    @property
    def array(self) -> Array:
        """The entries, of the shape that NumPy's indexing gives both sides."""
        return self._squeezed(self.block)

    @property
    def error_bar(self) -> Array | None:
        """`error`, of the shape of `array`."""
        return None if self.error is None else self._squeezed(self.error)

    @cached_property
    def certified(self) -> Certificate:
        """The verdict against the certified reference, in noise units; computed when it is first read."""
        return self.certify()

    def certify(self, how: str = "") -> Certificate:
        """Hold the block against the certified reference.

        Estimates by differences are held against their own error bars.

        Args:
            how: "every entry", or "products" with random directions from both sides; the cheaper one that is exact
                enough, if not given.
        """
        if self.error is not None:
            return covered(self.source, self.of, self.wrt, self.block, self.error)
        return certify(self.source, self.of, self.wrt, self.block, how)

    def steps(self, axis: str = "step") -> StepBlocks:
        """Return the block as one matrix for each step of `of`, step of `wrt` and row.

        Raises:
            UsageError: if one of the two has no such axis.
        """
        return StepBlocks.of(self.block, self.of, self.wrt, self.source.structure.rows, axis)

    def block_norms(self, axis: str = "step") -> Array:
        """Return the Frobenius norm of each step of `of` by each step of `wrt`, over all rows: ||dy_t/dx_s||."""
        return self.steps(axis).norms()

    def decay(self, axis: str = "step") -> Array:
        """Return (lag, median, least, most) of the block norms over all pairs t - s = lag, for lags from 0."""
        return self.steps(axis).decay()

    def singular_values(self, axis: str = "step") -> Extremes:
        """Return the largest and the smallest singular value of each step's matrix, over all rows."""
        return self.steps(axis).singular_values()

    def picture(self, path: str | Path, axis: str = "step") -> None:
        """Write an SVG: the map of block norms, their decay, and the singular values of the blocks."""
        self.steps(axis).picture(path, self.name)

    def __str__(self) -> str:
        lines = [
            f"{self.name} of {self.source.name}: {self.array.shape} in {self.block.dtype}, {told(self.block.nbytes)}",
            f"  route  {self.route}",
            f"  why    {self.why}",
            f"  cost   {count(self.cost.calls, 'call')}, {count(self.cost.lanes, 'direction')}, "
            f"{self.cost.lane_steps:,} directions times rows times steps",
        ]
        return "\n".join([*lines, *(f"  note   {note}" for note in self.notes)])

    __repr__ = __str__

    def _squeezed(self, array: Array) -> Array:
        rank = len(self.of.block)
        axes = (*self.of.squeezed, *(rank + axis for axis in self.wrt.squeezed))
        return np.squeeze(array, axis=tuple(axes))

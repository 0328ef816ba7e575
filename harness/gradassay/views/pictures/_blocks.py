"""A map as three grids of equal size, small enough to look at, with what is beyond noise and what leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, hypot, inf
from typing import Literal, TypeVar

from gradassay._limits import RMS_LIMIT
from gradassay._record import Grid, Map

MOST = 24  # blocks along a side that are drawn; of more, several are drawn as one

T = TypeVar("T")
Kind = Literal["zero", "noise", "beyond", "leak", "not finite"]


@dataclass(frozen=True)
class Blocks:
    """One map; `truth`, `got` and `apart` have as many rows and columns as are drawn."""

    map: Map
    truth: Grid
    got: Grid
    apart: Grid
    kinds: tuple[tuple[Kind, ...], ...]
    span: tuple[int, int]  # how many steps of the output and of the input a drawn block holds

    @classmethod
    def of(cls, map: Map) -> Blocks | None:
        """Take a map; none is made of one whose grids are empty or differ in size."""
        rows, columns = len(map.truth), len(map.truth[0]) if map.truth else 0
        for grid in (map.truth, map.got, map.apart):
            if not columns or len(grid) != rows or any(len(row) != columns for row in grid):
                return None
        truth, got, apart = (_known(grid) for grid in (map.truth, map.got, map.apart))
        kinds = tuple(
            tuple(_kind(*block) for block in zip(*blocks, strict=True))
            for blocks in zip(truth, got, apart, strict=True)
        )
        span = ceil(rows / MOST), ceil(columns / MOST)
        worst = tuple(tuple(max(part, key=SEVERITY.index) for part in row) for row in _parts(kinds, span))
        truth, got = (_pooled(grid, span, _norm) for grid in (truth, got))
        return cls(map, truth, got, _pooled(apart, span, _largest), worst, span)

    @property
    def name(self) -> str:
        return f"d {self.map.of} / d {self.map.wrt}"

    @cached_property
    def count(self) -> dict[Kind, int]:
        """How many blocks that are drawn there are of each kind."""
        return {kind: sum(row.count(kind) for row in self.kinds) for kind in SEVERITY}

    @property
    def wrong(self) -> int:
        return self.count["beyond"] + self.count["leak"] + self.count["not finite"]

    @property
    def largest(self) -> float:
        """Noise units of the furthest block; infinite where one leaks or is not finite."""
        if self.count["leak"] + self.count["not finite"]:
            return inf
        return max((f for row in self.apart for f in row if f is not None), default=0.0)

    def places(self, *wanted: Kind) -> list[tuple[int, int]]:
        return [(r, c) for r, row in enumerate(self.kinds) for c, kind in enumerate(row) if kind in wanted]


SEVERITY: tuple[Kind, ...] = ("zero", "noise", "beyond", "leak", "not finite")


def _kind(truth: float | None, got: float | None, apart: float | None) -> Kind:
    if truth is None or got is None:
        return "not finite"
    if apart is None:
        return "zero" if truth == got == 0 else "leak" if truth == 0 else "not finite"
    return "noise" if apart <= RMS_LIMIT else "beyond"


def _known(grid: Grid) -> Grid:
    """What is no size of anything is not finite."""
    return tuple(tuple(f if f is not None and 0 <= f < inf else None for f in row) for row in grid)


def _norm(part: list[float | None]) -> float | None:
    """A Frobenius norm is that of its blocks' norms."""
    return None if None in part else hypot(*(f for f in part if f is not None))


def _largest(part: list[float | None]) -> float | None:
    return max((f for f in part if f is not None), default=None)


def _pooled(grid: Grid, span: tuple[int, int], pool: Callable[[list[float | None]], float | None]) -> Grid:
    return grid if span == (1, 1) else tuple(tuple(pool(part) for part in row) for row in _parts(grid, span))


def _parts(grid: tuple[tuple[T, ...], ...], span: tuple[int, int]) -> Iterator[list[list[T]]]:
    """Yield rows of what each drawn block holds."""
    down, across = span
    for top in range(0, len(grid), down):
        rows = grid[top : top + down]
        yield [[f for row in rows for f in row[left : left + across]] for left in range(0, len(grid[0]), across)]

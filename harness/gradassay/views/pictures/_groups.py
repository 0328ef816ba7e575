"""Targets in groups: one backend in one mode on one device, in several dtypes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from gradassay._location import split
from gradassay.views.pictures._order import DTYPES as DTYPES
from gradassay.views.pictures._order import ordered
from gradassay.views.pictures._svg import SERIES

PLAIN = "cpu"  # a device that is not said


@lru_cache(maxsize=4096)  # of every verdict of a run
def dtype_of(target: str) -> str:
    return target.rpartition("/")[2]


@lru_cache(maxsize=4096)
def group_of(target: str) -> str:
    """`torch/native`, `jax/jit/cpu:1`: a target but for its dtype and the plain device."""
    backend, parts = split(target)
    return "/".join([backend, *(part for part in parts[:-1] if part != PLAIN)])


def colours(dtypes: Iterable[str]) -> dict[str, str]:
    """Return the colour of each dtype: the usual ones have the same in every picture."""
    others = [dtype for dtype in ordered(dtypes) if dtype not in DTYPES]
    palette = (0, 4, 2, 3, 5, 6, 7)  # none that may be taken for what is bad
    return {dtype: SERIES[palette[number % len(palette)]] for number, dtype in enumerate([*DTYPES, *others])}

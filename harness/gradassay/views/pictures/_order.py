"""The order of dtypes, wherever several stand beside each other. It needs no Matplotlib."""

from __future__ import annotations

from collections.abc import Iterable

DTYPES = ("float64", "float32", "bfloat16", "float16")  # from fine to coarse, in all pictures in the same colours


def ordered(dtypes: Iterable[str]) -> list[str]:
    """Return dtypes from fine to coarse, and others after them."""
    return sorted(set(dtypes), key=lambda dtype: (DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES), dtype))

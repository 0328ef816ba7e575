"""How much memory there is, and what a Jacobian would take of it: asked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

from gradassay._errors import UsageError

SHARE = 2  # a half of what is free may be used
LANE = 16  # numbers that a sweep keeps for each number that goes in or comes out: gates, states, and their cotangents


def free() -> int:
    """Return the bytes of memory that are free, caches of the system included."""
    table = Path("/proc/meminfo")
    if table.exists():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def told(size: float) -> str:
    """Write bytes: `41.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit always returns")


def refuse(name: str, shape: tuple[int, ...], size: int, budget: int, dtype: str) -> None:
    """Refuse a matrix that does not fit.

    Raises:
        UsageError: with what would do.
    """
    if size > budget:
        raise UsageError(
            f"{name} has shape {shape}: {told(size)} in {dtype}, where {told(budget)} may be used (half of what is "
            "free, if memory= does not say otherwise). Ask for a block, as in of=('y', {'step': slice(0, 8)}); stream "
            "it to a file by jacobian_plan(...).into('j.npy'); or take products and estimates alone: "
            "jacobian_plan(...).vjp, .jvp, .norm(), .block_norms(), .spectral_norm()"
        )

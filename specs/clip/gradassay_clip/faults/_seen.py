"""What the faults look at: values in floats, and norms made of what earlier marks had."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np

from gradassay_lstm.faults._at_marks import Where, seen

__all__ = ["added", "every", "floats", "largest", "own_norm", "seen", "within"]


def floats(value: Any) -> Any:
    """Return a value in floats, that of its first lane."""
    raw = value.value.primal if hasattr(value.value, "primal") else value.value
    return np.asarray(raw, dtype=np.float64)[0, 0]


def every(tape: Any, mark: str) -> list[Any]:
    """Return what a mark had for each tensor, in their order."""
    return list(tape.marks[mark].values())


def added(values: list[Any]) -> Any:
    return reduce(add, values)


def own_norm(tape: Any, where: Where) -> Any:
    """Return the norm of one tensor; zero where it is, without a derivative."""
    g = seen(tape, "g", where)
    total = tape.sum(g * g)
    return tape.sqrt(total) if floats(total) > 0 else tape.stop(total)


def largest(tape: Any, g: Any) -> Any:
    """Return the largest magnitude among the elements of a tensor."""
    size = floats(g)
    place = np.unravel_index(int(np.argmax(np.abs(size))), size.shape)
    chosen = g[tuple(int(i) for i in place)] if size.shape else g
    return chosen * float(np.sign(size[place]) or 1.0)


def within(tape: Any, g: Any, limit: Any) -> Any:
    """Return a tensor clipped element by element."""
    return tape.maximum(-tape.maximum(-g, -limit), -limit)

"""A series in one line of text: a bar a value, on a log scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-:=+*#"
OCTAVES = 2.0  # the least that the scale spans, so that noise looks flat


def spark(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """Return bars for the values, at most `width`: of more, the largest of each few. What is no number is a blank."""
    bars = ASCII_BARS if ascii_only else BARS
    each = max(1, math.ceil(len(values) / width))
    shown = [_largest(values[i : i + each]) for i in range(0, len(values), each)]
    logs = [math.log2(value) if value > 0 else None for value in shown]
    known = [log for log in logs if log is not None]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    span = max(high - low, OCTAVES)
    words = []
    for value, log in zip(shown, logs, strict=True):
        if log is not None:
            words.append(bars[min(int((log - low) / span * len(bars)), len(bars) - 1)])
        else:
            words.append(bars[0] if value == 0 else " ")
    return "".join(words)


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=math.nan)

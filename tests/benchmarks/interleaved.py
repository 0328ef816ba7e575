"""Contenders side by side: each in turn, over and over, so that what befalls the machine befalls them all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median

SLOW = 1.0  # seconds of one repetition, from which on fewer are enough
VERY_SLOW = 8.0  # seconds, from which on one is enough
REPETITIONS, FEW = 30, 3


def interleaved(
    contenders: Mapping[str, Callable[[], object]], *, repetitions: int = REPETITIONS, few: int = FEW
) -> dict[str, list[float]]:
    """Return the seconds of every repetition, by contender.

    Every contender is called twice before, so that compiling, and whatever else is done once, is not in its time. One
    whose second call takes a second or more is repeated `few` times, in the first rounds; one whose first call takes
    eight has that for its only repetition.
    """
    found = {name: [seconds(call)] for name, call in contenders.items()}
    left = {name: contenders[name] for name, times in found.items() if times[0] < VERY_SLOW}
    slow = {name for name, call in left.items() if seconds(call) >= SLOW}
    found |= {name: [] for name in left}
    for number in range(repetitions):
        for name, call in left.items():
            if name not in slow or number < few:
                found[name].append(seconds(call))
    return found


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes, with no garbage collection in it."""
    gc.collect(0)
    gc.disable()
    try:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    finally:
        gc.enable()


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(times) for name, times in found.items()}

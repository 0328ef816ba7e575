"""Contenders side by side: each in turn, over and over, so that what befalls the machine befalls them all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median

SLOW = 1.0  # seconds of one repetition, from which on fewer are enough
VERY_SLOW = 8.0  # of one that is called no second time to find out
REPETITIONS, FEW = 30, 3


def interleaved(
    contenders: Mapping[str, Callable[[], object]], *, repetitions: int = REPETITIONS, few: int = FEW
) -> dict[str, list[float]]:
    """Return the seconds of every repetition, by contender.

    Every contender is called twice before, so that compiling, and whatever else is done once, is not in its time. One
    whose second call takes a second or more is repeated `few` times, in the first rounds.
    """
    first = {name: seconds(call) for name, call in contenders.items()}
    second = {name: seconds(call) if first[name] < VERY_SLOW else first[name] for name, call in contenders.items()}
    slow = {name for name, took in second.items() if took >= SLOW}
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repetitions):
        for name, call in contenders.items():
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

"""The noise scale: how far a correct implementation strays from the truth, per element, by simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import A, Float64, Noisy
from gradassay._ball import Enclosure
from gradassay._case import Case
from gradassay._evaluate import Query, evaluate
from gradassay._limits import BLIND, PRECISIONS, SAMPLES
from gradassay._words import Words

Floats = npt.NDArray[np.float64]


def noise(case: Case, query: Query, truth: Mapping[str, Enclosure], seed: str) -> dict[str, tuple[Floats, str, float]]:
    """Return (sigma, blind, simulated roundoff) for each tensor: sigma is the spread of 32 samples about the truth."""
    precision = PRECISIONS[case.dtype]
    found: dict[str, tuple[Floats, str, float]] = {}
    for roundoff in precision.simulate:
        scale = precision.roundoff / roundoff
        noisy = Noisy(roundoff, roundoff, 0.0, precision.floor / scale, Words(0, seed, str(roundoff)), SAMPLES)
        with np.errstate(over="ignore", invalid="ignore"):  # noise that overflows is blind, below
            samples = evaluate(noisy, case, query)
        for tensor, exact in truth.items():
            if tensor not in found or found[tensor][1]:
                spread = root_mean_square(samples[tensor] - exact.high, axis=0)
                spread = np.broadcast_to(spread, exact.high.shape)
                ratio = _ratio(spread[~exact.zero], exact.high[~exact.zero])
                # Underflow: an error as small as the floor means nothing wherever the truth is not exactly 0.
                sigma = np.where(exact.zero, 0.0, np.hypot(spread * scale, precision.floor))
                why = "" if ratio <= BLIND else f"rounding noise is more than 1/{1 / BLIND:.0f} of the value"
                found[tensor] = (sigma, why, roundoff)
        if not any(blind for _, blind, _ in found.values()):
            break
    return found


def root_mean_square(a: Floats, axis: int | None = None) -> Floats:
    """Root mean square that neither underflows nor overflows; 0 for nothing."""
    if a.size == 0:
        return np.zeros(()) if axis is None else np.zeros(a.shape[:axis] + a.shape[axis + 1 :])
    peak = np.max(np.abs(a), axis=axis, keepdims=True)
    safe = np.where(peak > 0, peak, 1.0)
    return np.asarray(np.sqrt(np.mean(np.square(a / safe), axis=axis)) * np.squeeze(safe * (peak > 0), axis=axis))


def _ratio(noise: Floats, truth: Floats) -> float:
    if truth.size == 0:
        return 0.0
    value = float(root_mean_square(truth))
    return float(root_mean_square(noise)) / value if value > 0 else float("inf")


class Peak(Float64):
    """Float64 that remembers the largest magnitude of any result; infinite once one is not a number."""

    largest = 0.0

    def _made(self, exact: A) -> A:
        size = float(np.max(np.abs(exact), initial=0.0))
        self.largest = max(self.largest, np.inf if np.isnan(size) else size)
        return exact

    def matmul(self, a: A, b: A) -> A:
        return self._made(super().matmul(a, b))

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        return self._made(super().sum(a, axes))


def overflow(case: Case, query: Query) -> str:
    """Say whether a value on the way, or the answer, leaves the dtype's range; nothing is specified then."""
    numbers = Peak()
    with np.errstate(over="ignore", invalid="ignore"):
        evaluate(numbers, case, query)
    peak = numbers.largest
    if peak < PRECISIONS[case.dtype].largest / 2:
        return ""
    return f"a value on the way comes to {peak:.2g}, near the end of {case.dtype}'s range or beyond it"

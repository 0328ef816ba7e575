"""The noise scale: how far a correct implementation strays from the truth, per element, by simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import A, Float64, Noisy
from gradassay._ball import Enclosure
from gradassay._case import Case
from gradassay._evaluate import Query, evaluate
from gradassay._jacobian import sweep
from gradassay._limits import BLIND, PRECISIONS, SAMPLES
from gradassay._reach import Reach, reach_of
from gradassay._words import Pool, Words

Floats = npt.NDArray[np.float64]

AT_ONCE = 2048  # samples times lanes of a noisy Jacobian swept together


def noise(
    case: Case, query: Query, truth: Mapping[str, Enclosure], seed: str, reach: Reach | None = None
) -> dict[str, tuple[Floats, str, float]]:
    """Return (sigma, blind, simulated roundoff) for each tensor: sigma is the spread of 32 samples about the truth.

    `reach` is that of a "jacobian" query, where it is known already.
    """
    precision = PRECISIONS[case.dtype]
    found: dict[str, tuple[Floats, str, float]] = {}
    for roundoff in precision.simulate:
        scale = precision.roundoff / roundoff
        simulated = Simulated(roundoff, precision.floor / scale, seed)
        with np.errstate(over="ignore", invalid="ignore"):  # noise that overflows is blind, below
            if query.kind == "jacobian":
                high = truth["jacobian"].high
                spreads = {"jacobian": _jacobian_spread(simulated, case, query, high, reach or reach_of(case, query))}
            else:
                samples = evaluate(simulated.noisy(SAMPLES), case, query)
                spreads = {t: root_mean_square(samples[t] - exact.high, axis=0) for t, exact in truth.items()}
        for tensor, exact in truth.items():
            if tensor not in found or found[tensor][1]:
                spread = np.broadcast_to(spreads[tensor], exact.high.shape)
                ratio = _ratio(spread[~exact.zero], exact.high[~exact.zero])
                # Underflow: an error as small as the floor means nothing wherever the truth is not exactly 0.
                sigma = np.where(exact.zero, 0.0, np.hypot(spread * scale, precision.floor))
                why = "" if ratio <= BLIND else f"rounding noise is more than 1/{1 / BLIND:.0f} of the value"
                found[tensor] = (sigma, why, roundoff)
        if not any(blind for _, blind, _ in found.values()):
            break
    return found


@dataclass(frozen=True)
class Simulated:
    """The roundoff that noise is drawn at, with its absolute error, and the seed that it is drawn from."""

    roundoff: float
    tiny: float
    seed: str

    def noisy(self, samples: int, pool: Pool | None = None) -> Noisy:
        draw = pool.uniform if pool else None
        return Noisy(self.roundoff, self.roundoff, 0.0, self.tiny, self.words, samples, draw)

    @property
    def words(self) -> Words:
        return Words(0, self.seed, str(self.roundoff))


def _jacobian_spread(simulated: Simulated, case: Case, query: Query, exact: Floats, reach: Reach) -> Floats:
    """The spread of each entry, a few samples at a time, so that arrays of many lanes stay in the processor's cache.

    It is taken where the sweep has the entries, side by side in shared lanes, and laid out once.
    """
    few = max(1, min(SAMPLES, AT_ONCE // max(reach.lanes, 1)))
    pool = Pool(simulated.words)
    peak: Any = 0.0
    total: Any = 0.0
    for start in range(0, SAMPLES, few):
        numbers = simulated.noisy(min(few, SAMPLES - start), pool)
        swept = sweep(numbers, case, query, reach)
        error = swept.array  # ours alone
        error -= swept.folded(exact)
        np.abs(error, out=error)
        largest = np.maximum(peak, error.max(axis=0))
        safe = np.where(largest > 0, largest, 1.0)  # as in `root_mean_square`: squares of small numbers underflow
        error /= safe
        total = total * np.square(peak / safe) + np.einsum("s...,s...->...", error, error)
        peak = largest
    swept = replace(swept, array=(np.sqrt(total / SAMPLES) * peak)[None])
    return np.asarray(swept.whole()[0])


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
    """Float64 that remembers the largest magnitude of any result, infinite once one is not a number; and counts.

    Attributes:
        products: multiplications in contractions so far.
    """

    largest = 0.0
    products = 0

    def _made(self, exact: A) -> A:
        size = float(np.abs(exact).max(initial=0.0))
        self.largest = max(self.largest, size if size == size else np.inf)  # noqa: PLR0124  # NaN is not itself
        return exact

    def matmul(self, a: A, b: A) -> A:
        product = super().matmul(a, b)
        self.products += product.size * a.shape[-1]
        return self._made(product)

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        return self._made(super().sum(a, axes))


def survey(case: Case, query: Query, reach: Reach | None = None) -> Peak:
    """Evaluate in floats, for what `Peak` remembers of it. `reach` is that of a "jacobian" query, if it is known."""
    numbers = Peak()
    with np.errstate(over="ignore", invalid="ignore"):
        if query.kind == "jacobian":
            sweep(numbers, case, query, reach or reach_of(case, query))
        else:
            evaluate(numbers, case, query)
    return numbers


def overflow(peak: Peak, dtype: str) -> str:
    """Say whether a value on the way, or the answer, leaves the dtype's range; nothing is specified then."""
    if peak.largest < PRECISIONS[dtype].largest / 2:
        return ""
    return f"a value on the way comes to {peak.largest:.2g}, near the end of {dtype}'s range or beyond it"

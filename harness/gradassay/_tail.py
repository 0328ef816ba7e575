"""The tail of a sample: how rare is what was never seen? A fit to the largest values, with its uncertainty.

Exceedances over a high threshold follow a generalised Pareto distribution (Pickands 1975), whose shape xi is 0 for an
exponential, above it for a heavier tail, below it for one that ends. It is fitted by probability-weighted moments
(Hosking and Wallis, 'Parameter and Quantile Estimation for the Generalized Pareto Distribution', 1987); the exponential
by maximum likelihood, which is the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradassay._words import Words

Floats = npt.NDArray[np.float64]

SHARE = 0.01  # of the sample is its tail
FEWEST = 50  # values in a tail; a smaller sample gives up a larger share
RESAMPLES = 400
LEVEL = 0.95


@dataclass(frozen=True)
class Tail:
    """P(X > x) = share * (1 + shape * (x - threshold) / scale)^(-1/shape); shape 0: the exponential's limit."""

    share: float
    threshold: float
    scale: float
    shape: float

    def beyond(self, x: float) -> float:
        """P(X > x). Below the threshold, which the fit does not describe, what is known: at least the tail's share."""
        distance = max(x - self.threshold, 0.0) / self.scale
        if self.shape == 0.0:
            return self.share * math.exp(-distance)
        inside = 1.0 + self.shape * distance
        return self.share * inside ** (-1.0 / self.shape) if inside > 0.0 else 0.0


def exponential(sample: Floats) -> Tail:
    """Fit the tail of a sample by an exponential: the scale is the mean excess."""
    share, threshold, excess = _excesses(sample)
    return Tail(share, threshold, float(excess.mean()), 0.0)


def generalised_pareto(sample: Floats) -> Tail:
    """Fit the tail of a sample by a generalised Pareto distribution."""
    share, threshold, excess = _excesses(sample)
    count = len(excess)
    mean = float(excess.mean())
    # E[X (1 - F(X))], the excesses in ascending order: each weighted by the share of those above it.
    weighted = float(np.mean(excess * (np.arange(count)[::-1] / (count - 1))))
    shape = 2.0 - mean / (mean - 2.0 * weighted)
    return Tail(share, threshold, 2.0 * mean * weighted / (mean - 2.0 * weighted), shape)


def _excesses(sample: Floats) -> tuple[float, float, Floats]:
    """Return (share of the sample in the tail, threshold, excesses over it in ascending order).

    Raises:
        ValueError: when the sample is too small to have a tail, or has none because its top is all one value.
    """
    count = max(FEWEST, math.ceil(SHARE * len(sample)))
    if len(sample) <= count:
        raise ValueError(f"a tail needs more than {count} values; there are {len(sample)}")
    top = np.partition(sample, -count - 1)[-count - 1 :]
    threshold = float(top[0])
    excess = np.sort(top[1:]) - threshold
    if not excess[-1] > 0.0:
        raise ValueError(f"the largest {count} values are all {threshold}: they have no tail")
    return count / len(sample), threshold, excess


def interval(
    groups: list[Floats], statistic: Callable[[Floats], float], words: Words, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the bootstrap interval of a statistic at 95 %, by its percentiles.

    Whole groups are drawn again with replacement, since values of one group are not independent of each other.
    """
    found = []
    for _ in range(resamples):
        chosen = words.integers((len(groups),), len(groups))
        found.append(statistic(np.concatenate([groups[i] for i in chosen])))
    low, high = np.quantile(found, [(1.0 - LEVEL) / 2, (1.0 + LEVEL) / 2])
    return float(low), float(high)

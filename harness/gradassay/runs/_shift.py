"""Did noise units rise, or were roundings merely drawn anew? A test over cases, which one run on either side can pass.

A correct change of kernel draws every rounding anew. The log of the RMS of n independent normal errors has variance
psi_1(n/2)/4, and a difference of two runs has twice that. Between pairs of implementations in a run of every bundled
backend (21,000 log ratios), the scatter by the number of elements followed this law from n = 1 (2.3 octaves; by the law
2.3) to n = 100 (0.30; 0.15), with about 0.2 octaves on top of it, 0.4 for the largest |z|. That scatter is the prior of
a moderated t-test (Smyth, 'Linear models and empirical Bayes methods', 2004); the cases of a series add their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradassay._limits import t_tails

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EXTRA = {"rms": 0.2, "max": 0.4}  # octaves of scatter beside that of independent errors
SMALL = 2.0**-4  # noise units: below it, an error is as good as none, and its log would say too much
FEWEST = 3  # cases, below which nothing is said
FREEDOM = 8  # that the prior counts for
MOST_FREEDOM = 100  # more would change no verdict, and cost time
FALSE_ALARMS = 0.01  # the rate of false discoveries; with nothing to discover, the chance of any
LOOKED_AT = 2.0  # standard errors below which nothing is said


@dataclass(frozen=True)
class Shift:
    """How far a series moved, in octaves (log2), and how likely that is if roundings were merely drawn anew."""

    octaves: float
    p: float
    cases: int

    @property
    def factor(self) -> float:
        return float(2.0**self.octaves)


def scatter(elements: Floats, figure: str) -> Floats:
    """Variance of log2(after / before) when the roundings of a case of so many elements are drawn anew."""
    half = np.maximum(elements, 1.0) / 2
    trigamma = 1 / half + 1 / (2 * half**2) + 1 / (6 * half**3)  # its series; 8 % above it at n = 1
    return np.asarray(trigamma / (2 * math.log(2) ** 2) + EXTRA[figure] ** 2)


def sized(values: Floats) -> Floats:
    """Noise units in octaves."""
    return np.asarray(np.log2(np.maximum(values, SMALL)))


def pooled(figure: str, values: Floats, elements: Floats, groups: Integers, count: int) -> Floats:
    """Return the RMS (or the largest |z|) of each group of verdicts: that of all their elements."""
    if figure == "max":
        found = np.zeros(count)
        np.maximum.at(found, groups, values)
        return found
    squares = np.bincount(groups, elements * values**2, count)
    return np.asarray(np.sqrt(squares / np.maximum(np.bincount(groups, elements, count), 1.0)))


def shifts(
    figure: str,
    before: Floats,
    after: Floats,
    elements: Floats,
    series: Integers,
    cases: Integers,
    *,
    runs: Floats | None = None,
    freedom: int = 1,
) -> dict[int, Shift]:
    """Return how far each series moved.

    Args:
        figure: "rms" or "max".
        before: of each verdict.
        after: of the same.
        elements: of each verdict.
        series: of each verdict, a number.
        cases: what is one draw of roundings together: a case in a dtype.
        runs: variance (octaves squared) of the difference that runs of one setting show beside that; by series.
        freedom: degrees of freedom of it.
    """
    if not len(series):
        return {}
    pairs, group = np.unique(np.stack([series, cases]), axis=1, return_inverse=True)
    group, count = group.reshape(-1), pairs.shape[1]
    low = pooled(figure, before, elements, group, count)
    high = pooled(figure, after, elements, group, count)
    octaves = sized(high) - sized(low)
    weights = 1.0 / scatter(np.asarray(np.bincount(group, elements, count), np.float64), figure)
    of = pairs[0]
    total = int(of.max()) + 1
    weight, number = np.bincount(of, weights, total), np.bincount(of, minlength=total)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(of, weights * octaves, total) / weight
        spread = np.bincount(of, weights * (octaves - mean[of]) ** 2, total)
        own = FREEDOM + number - 1
        drawn = (FREEDOM + spread) / own / weight
        extra = np.zeros(total) if runs is None else runs
        variance = drawn + extra
        free = variance**2 / (drawn**2 / own + extra**2 / freedom)
        t = np.abs(mean) / np.sqrt(variance)
    return {
        int(one): Shift(float(mean[one]), _tails(float(t[one]), float(free[one]), int(number[one])), int(number[one]))
        for one in np.flatnonzero(number)
    }


def _tails(t: float, freedom: float, cases: int) -> float:
    if cases < FEWEST or not t > LOOKED_AT:
        return 1.0
    return t_tails(t, max(1, min(int(freedom), MOST_FREEDOM)))


def discoveries(chances: Sequence[float], rate: float = FALSE_ALARMS) -> float:
    """Return the largest p that is still a discovery, among so many looked at.

    By the step-up procedure of Benjamini and Hochberg ('Controlling the false discovery rate', 1995).
    """
    found = 0.0
    for rank, chance in enumerate(sorted(chances), start=1):
        if chance <= rate * rank / len(chances):
            found = chance
    return found

"""Steps in a series of times: where its mean changes, by how much, and how likely that is by chance.

The likelihood-ratio statistic of one change of mean in independent normal data of unknown variance is the largest
two-sample t over all places; its p is Bonferroni's, over the places (Hawkins, 'Testing a sequence of observations for a
shift in location', 1977). Each side of a step that is found is looked at again (binary segmentation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradassay._limits import t_tails
from gradassay.runs._shift import LOOKED_AT, MOST_FREEDOM

Floats = npt.NDArray[np.float64]

SIDE = 3  # runs on either side of a step in time: one alone may have met a busy machine
SMALLEST = 0.01  # octaves (0.7 %): a smaller scatter of times is luck


@dataclass(frozen=True)
class Split:
    """A change of mean before position `at`, in octaves; `p` accounts for all places that were looked at."""

    at: int
    octaves: float
    p: float
    before: int  # values on either side, up to the next step
    after: int


def split(values: Floats) -> Split | None:
    """Return the likeliest step; None where there are too few values for one."""
    number = len(values)
    best: Split | None = None
    places = number - 2 * SIDE + 1
    for at in range(SIDE, number - SIDE + 1):
        left, right = values[:at], values[at:]
        squares = float(np.sum((left - left.mean()) ** 2) + np.sum((right - right.mean()) ** 2))
        variance = max(squares / (number - 2), SMALLEST**2)
        octaves = float(right.mean() - left.mean())
        t = abs(octaves) / math.sqrt(variance * (1 / len(left) + 1 / len(right)))
        p = min(1.0, places * t_tails(t, min(number - 2, MOST_FREEDOM))) if t > LOOKED_AT else 1.0
        if best is None or (p, -abs(octaves)) < (best.p, -abs(best.octaves)):
            best = Split(at, octaves, p, len(left), len(right))
    return best


def steps(values: Floats, limit: float, offset: int = 0) -> Iterator[Split]:
    """Yield the steps whose p is at most `limit`, in order."""
    found = split(values)
    if found is None or found.p > limit:
        return
    yield from steps(values[: found.at], limit, offset)
    yield Split(found.at + offset, found.octaves, found.p, found.before, found.after)
    yield from steps(values[found.at :], limit, offset + found.at)

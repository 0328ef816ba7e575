"""How many bits a long computation needs, foretold in floats: a trial in balls costs as much as the answer.

Balls grow along a recurrence: a radius meets the magnitudes of the weights, never their signs. An LSTM of 128 units
loses about a bit a step on the way out and one on the way back, so that 512 steps need more than a thousand.
"""

from __future__ import annotations

from math import ceil, isfinite, log2

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import A, Float64
from gradassay._case import Case
from gradassay._evaluate import Query, evaluate
from gradassay._limits import PRECISIONS, RADIUS

UNIT = 2.0**-1000  # stands for the relative radius of one operation: radii that grow by 2^2000 are still floats
MARGIN = 16  # bits, for what the floats leave out
WORD = 64  # bits are asked for in whole words


class Radii(Float64):
    """Float64 beside the radius that ball arithmetic would have, to first order: samples 0 and 1 of each array."""

    sampled = True

    def lift(self, array: npt.ArrayLike) -> A:
        value = np.asarray(array, dtype=np.float64)
        return np.stack([value, np.zeros_like(value)])[:, None]

    def _ball(self, value: A, radius: A) -> A:
        out = np.empty((2, *value.shape))
        out[0] = value
        np.abs(value, out=out[1])
        out[1] *= UNIT
        out[1] += radius
        return out

    def add(self, a: A, b: A) -> A:
        return self._ball(a[0] + b[0], a[1] + b[1])

    def subtract(self, a: A, b: A) -> A:
        return self._ball(a[0] - b[0], a[1] + b[1])

    def negate(self, a: A) -> A:
        return np.stack([-a[0], a[1]])

    def multiply(self, a: A, b: A) -> A:
        return self._ball(a[0] * b[0], np.abs(a[0]) * b[1] + np.abs(b[0]) * a[1])

    def divide(self, a: A, b: A) -> A:
        quotient = a[0] / b[0]
        return self._ball(quotient, (a[1] + np.abs(quotient) * b[1]) / np.abs(b[0]))

    def sigmoid(self, a: A) -> A:
        value = super().sigmoid(a[0])
        return self._ball(value, value * (1.0 - value) * a[1])

    def tanh(self, a: A) -> A:
        value = np.tanh(a[0])
        return self._ball(value, (1.0 - np.square(value)) * a[1])

    def exp(self, a: A) -> A:
        value = np.exp(a[0])
        return self._ball(value, value * a[1])

    def log(self, a: A) -> A:
        return self._ball(np.log(a[0]), a[1] / np.abs(a[0]))

    def sqrt(self, a: A) -> A:
        value = np.sqrt(a[0])
        return self._ball(value, a[1] / (2.0 * value))

    def greater(self, a: A, b: A) -> npt.NDArray[np.bool_]:
        return np.asarray(a[0, 0] > b[0, 0])

    def matmul(self, a: A, b: A) -> A:
        value = np.matmul(a[0], b[0])
        return self._ball(value, np.matmul(a[1], np.abs(b[0])) + np.matmul(np.abs(a[0]), b[1]))

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        return self._ball(a[0].sum(axis=axes), a[1].sum(axis=axes)) if axes else a


def bits_for(case: Case, query: Query) -> int:
    """Foretell the bits at which every radius will be small beside the dtype's noise; 0 if nothing can be told."""
    if query.kind == "jacobian":  # the sum of its rows loses as much on its way as they do
        ones = np.ones(case.table[query.of].shape)
        query = Query("vjp", cotangents={query.of: ones}, wrt=query.wrt)
    if query.kind not in ("vjp", "jvp", "hvp", "trace"):
        return 0
    numbers = Radii()
    with np.errstate(all="ignore"):  # what is not finite foretells nothing
        found = evaluate(numbers, case, query)
        needed = [_needed(a[0], a[1], PRECISIONS[case.dtype].roundoff) for a in found.values()]
    largest = max(needed, default=0.0)
    return ceil((largest + MARGIN) / WORD) * WORD if isfinite(largest) else 0


def _needed(value: A, radius: A, roundoff: float) -> float:
    """Bits for the worst element; one that is far below its tensor's typical size has more noise than its own share."""
    some = (value != 0) & (radius > 0)
    if not some.any():
        return 0.0
    size = np.abs(value[some])
    noise = roundoff * np.maximum(size, 2.0**-20 * float(np.sqrt(np.mean(np.square(size)))))
    return float(np.max(np.log2(radius[some]) - np.log2(noise))) - log2(UNIT) - log2(RADIUS)

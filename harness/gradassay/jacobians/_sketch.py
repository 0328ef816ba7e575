"""Norms of a Jacobian that is not computed: from products with random directions, with error bars.

Frobenius norm: E |v'J|^2 = ||J||_F^2 for v of independent standard normal numbers. A mean over K of them, over its
expectation, is a mixture of chi-squares of K degrees of freedom; none spreads further than a single one, which is that
of a matrix of rank one. So the interval from chi-square with K degrees holds for every matrix. Source:
Roosta-Khorasani, Szekely and Ascher, 'Assessing stochastic algorithms for large scale nonlinear least squares problems
using extremal probabilities of linear combinations of gamma random variables', 2015.

Largest singular value: power iterations with J'J. What they reach is a lower bound, always; the upper one holds with
the probability asked for, over the first direction. Source: Dixon, 'Estimating extremal eigenvalues and condition
numbers of matrices', 1983, theorem 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, lgamma, log, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

from gradassay._errors import UsageError
from gradassay._spec import Array
from gradassay._words import Words
from gradassay.jacobians._side import Side

if TYPE_CHECKING:
    from gradassay.jacobians._plan import Plan

SAMPLES = 32


@dataclass(frozen=True)
class Estimate:
    """A number and the interval that holds the true one with the probability `confidence`."""

    value: float
    low: float
    high: float
    confidence: float
    products: int  # how many were taken

    def __str__(self) -> str:
        interval = f"{100 * self.confidence:g}%: {self.low:.4g} to {self.high:.4g}"
        return f"{self.value:.4g} ({interval}, {self.products} products)"


@dataclass(frozen=True)
class Estimates:
    """As `Estimate`, one for each pair of steps: (steps of `of`, steps of `wrt`)."""

    value: Array
    low: Array
    high: Array
    confidence: float
    products: int


def pulled(plan: Plan, cotangents: Array) -> Array:
    """Return v'J of the block for K cotangents (K, *of.block), of shape (K, *wrt.block)."""
    if not plan.linear().can("vjp"):
        raise UsageError(f"{plan.source.name} has no VJP: v'J needs the matrix")
    seeds = _embedded(plan.of, cotangents, plan)
    found = plan.linear().pull(plan.source.case.inputs, {plan.of.name: seeds}, [plan.wrt.name])[plan.wrt.name]
    return plan.wrt.pick(found, 1)


def pushed(plan: Plan, tangents: Array) -> Array:
    """Return J u of the block for K tangents (K, *wrt.block), of shape (K, *of.block)."""
    if not plan.linear().can("jvp"):
        raise UsageError(f"{plan.source.name} has no JVP: J u needs the matrix")
    seeds = _embedded(plan.wrt, tangents, plan)
    found = plan.linear().push(plan.source.case.inputs, {plan.wrt.name: seeds}, [plan.of.name])[plan.of.name]
    return plan.of.pick(found, 1)


def frobenius(plan: Plan, samples: int, confidence: float, seed: int) -> Estimate:
    words, total = Words(seed, "frobenius"), 0.0
    reverse = plan.linear().can("vjp")
    side: Side = plan.of if reverse else plan.wrt
    times: Callable[[Plan, Array], Array] = pulled if reverse else pushed
    for start in range(0, samples, _at_once(plan)):
        some = min(_at_once(plan), samples - start)
        directions = _drawn(words, side, start, start + some, plan)
        found = times(plan, directions).astype(np.float64)
        total += float(np.sum(found * found))
    low, high = _interval(samples, confidence)
    value = total / samples
    return Estimate(sqrt(value), sqrt(value * low), sqrt(value * high), confidence, samples)


def by_steps(plan: Plan, samples: int, confidence: float, seed: int, axis: str) -> Estimates:
    """One step of `of` at a time: the squares of v'J at every step of `wrt` estimate a row of blocks."""
    out, into = plan.of.axis(axis), plan.wrt.axis(axis)
    if out is None or into is None:
        without = plan.of if out is None else plan.wrt
        raise UsageError(f"{without.name} has no axis {axis!r}: there are no blocks of it")
    words, squares = Words(seed, "blocks"), np.zeros((plan.of.block[out], plan.wrt.block[into]))
    others = tuple(a for a in range(1 + len(plan.wrt.block)) if a != 1 + into)
    for t in range(plan.of.block[out]):
        for start in range(0, samples, _at_once(plan)):
            some = min(_at_once(plan), samples - start)
            random = _drawn(words.branch(str(t)), plan.of, start, start + some, plan)
            here = np.arange(plan.of.block[out]) == t
            random *= here.reshape(*(1,) * (1 + out), -1, *(1,) * (len(plan.of.block) - out - 1)).astype(plan.dtype)
            found = pulled(plan, random).astype(np.float64)
            squares[t] += np.sum(found * found, axis=others)
    low, high = _interval(samples, confidence)
    mean = squares / samples
    taken = samples * plan.of.block[out]
    return Estimates(np.sqrt(mean), np.sqrt(mean * low), np.sqrt(mean * high), confidence, taken)


def spectral(plan: Plan, iterations: int, confidence: float, seed: int) -> Estimate:
    """Iterate with J'J from a random direction."""
    linear = plan.linear()
    if not (linear.can("vjp") and linear.can("jvp")):
        raise UsageError(f"{plan.source.name} lacks a VJP or a JVP: both are needed, J'J being one after the other")
    if iterations < 1:
        raise UsageError(f"iterations is {iterations}; should be at least 1")
    start = Words(seed, "spectral").normal(plan.wrt.block)
    now = start / np.linalg.norm(start)
    logarithm, low = 0.0, 0.0
    for _ in range(iterations):
        ahead = pushed(plan, now.astype(plan.dtype)[None])[0]
        low = max(low, float(np.linalg.norm(ahead.astype(np.float64))))  # |J u| of a unit u is no larger than the norm
        after = pulled(plan, ahead[None])[0].astype(np.float64)
        size = float(np.linalg.norm(after))
        if size == 0.0:
            return Estimate(low, low, low, confidence, 2 * iterations)
        logarithm += log(size)
        now = after / size
    # x' A^k x for A = J'J and the first x: what k products made of it, seen from x.
    seen = float(np.sum(now * (start / np.linalg.norm(start))))
    power = (logarithm + log(seen)) / iterations if seen > 0 else inf
    factor = (0.8 * sqrt(plan.wrt.size) / (1 - confidence)) ** (2 / iterations)
    high = sqrt(exp(power) * factor) if power < inf else inf
    return Estimate(low, low, max(low, high), confidence, 2 * iterations)


def _drawn(words: Words, side: Side, start: int, stop: int, plan: Plan) -> Array:
    """Return random directions by their numbers: the same ones, however many are taken at once."""
    return np.stack([words.branch(str(k)).normal(side.block) for k in range(start, stop)]).astype(plan.dtype)


def _at_once(plan: Plan) -> int:
    sizes = sum(prod(tensor.shape) for tensor in plan.source.case.table.values() if tensor.role != "parameter")
    return max(1, min(256, plan.budget // (64 * plan.dtype.itemsize * max(sizes, 1))))


def _embedded(side: Side, chosen: Array, plan: Plan) -> Array:
    if chosen.shape[1:] != side.block:
        raise UsageError(f"the direction has shape {chosen.shape[1:]}; should be {side.block}, that of {side}")
    seeds = np.zeros((len(chosen), *side.shape), plan.dtype)
    index = np.ix_(np.arange(len(chosen)), *(np.array(found, np.int64) for found in side.positions))
    seeds[index] = chosen
    return seeds


def _interval(samples: int, confidence: float) -> tuple[float, float]:
    """Return the factors from a mean of squares to the ends of the interval of its expectation."""
    tail = (1 - confidence) / 2
    return samples / chi_square(1 - tail, samples), samples / chi_square(tail, samples)


def chi_square(probability: float, freedom: int) -> float:
    """The value that chi-square with so many degrees of freedom is below with this probability, by bisection."""
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, freedom) < probability else (low, middle)
    return high


def _below(x: float, freedom: int) -> float:
    """The regularised lower incomplete gamma function P(freedom/2, x/2), by its series (Abramowitz, Stegun 6.5.29)."""
    a, z = freedom / 2, x / 2
    if z <= 0.0:
        return 0.0
    if z > a + 40 * sqrt(a) + 40:
        return 1.0
    term = total = 1.0 / a
    n = 0
    while term > 1e-17 * total:
        n += 1
        term *= z / (a + n)
        total += term
    return min(1.0, exp(a * log(z) - z - lgamma(a)) * total)

"""Ball arithmetic: every number is a midpoint with a proved radius, so that what comes out encloses the exact value.

The evaluation is FLINT's `arb` (Johansson, 'Arb: efficient arbitrary-precision midpoint-radius interval
arithmetic', 2017). Arrays hold `arb` objects; products of matrices go through `arb_mat`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx

from gradassay._arithmetic import LANES, A, Float64

Floats = npt.NDArray[np.float64]

FEW = 4  # rows
WORD = 64  # bits
WIDE, LARGE = 512, 1 << 20  # bits, and products, from which on it pays to look at the operands' radii

# FLINT's precision is global to the process: whoever changes it holds this.
FLINT = threading.Lock()


@dataclass(frozen=True)
class Enclosure:
    """Real values to about 106 bits: `high + low`, within `radius`; `zero` where the value is exactly 0."""

    high: Floats
    low: Floats
    radius: Floats
    zero: npt.NDArray[np.bool_]


def _unary(function: Callable[[Any], Any]) -> Callable[[A], A]:
    vector = np.frompyfunc(function, 1, 1)
    return lambda a: np.asarray(vector(a), dtype=object)


_lift = _unary(arb)
_sigmoid = _unary(lambda x: 1 / (1 + (-x).exp()))
_tanh, _exp, _log, _sqrt = (_unary(f) for f in (arb.tanh, arb.exp, arb.log, arb.sqrt))


class Ball(Float64):
    """Numbers as balls of `bits` of precision. Evaluate inside `with ball.precision():`."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._matrices: dict[int, tuple[A, Any]] = {}
        self._transposed: dict[int, Any] = {}

    @contextmanager
    def precision(self) -> Iterator[None]:
        with FLINT, ctx.workprec(self.bits):
            yield

    def lift(self, array: npt.ArrayLike) -> A:
        return _lift(super().lift(array))

    def sigmoid(self, a: A) -> A:
        return _sigmoid(a)

    def tanh(self, a: A) -> A:
        return _tanh(a)

    def exp(self, a: A) -> A:
        return _exp(a)

    def log(self, a: A) -> A:
        return _log(a)

    def sqrt(self, a: A) -> A:
        return _sqrt(a)

    def greater(self, a: A, b: A) -> npt.NDArray[np.bool_]:
        more, not_more = np.asarray(a > b, dtype=bool), np.asarray(a <= b, dtype=bool)
        if not np.all(more | not_more):
            raise ArithmeticError("a comparison of balls that overlap is undecided: keep away from ties")
        return np.asarray(more[0, 0])

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        if not axes:
            return a
        kept = [axis for axis in range(a.ndim) if axis - a.ndim not in axes]
        total = np.full([a.shape[axis] for axis in kept], arb(0), dtype=object)
        terms = np.transpose(a, [axis + a.ndim for axis in axes] + kept)
        for term in terms.reshape(int(np.prod(terms.shape[: len(axes)])), *total.shape):
            total = total + term
        return np.asarray(total, dtype=object)

    def _matrix(self, a: A) -> Any:
        """Convert (1, 1, n, k) to FLINT's matrix, once: a weight is used at every step."""
        if id(a) not in self._matrices:  # the array is kept beside it, so that its id stays its own
            self._matrices[id(a)] = (a, arb_mat(a.shape[-2], a.shape[-1], a.ravel().tolist()))
        return self._matrices[id(a)][1]

    def _product(self, left: Any, right: Any, a: A, b: A) -> Any:
        """Multiply; in a large product at many bits without those that drown in the operands' own radii.

        The gradient of a weight sums over all steps, of which the earliest are known to a few bits only. It is
        an enclosure at any precision: what is cut off goes into the radius.
        """
        if self.bits <= WIDE or a.size * b.shape[-1] < LARGE:
            return left * right
        known = min(_known_bits(a), _known_bits(b)) + WORD + a.shape[-1].bit_length()
        if known >= self.bits:
            return left * right
        with ctx.workprec(max(known, 2 * WORD)):
            return _rounded(left) * _rounded(right)

    def _transpose(self, b: A) -> Any:
        if id(b) not in self._transposed:  # `_matrix` keeps b
            self._transposed[id(b)] = self._matrix(b).transpose()
        return self._transposed[id(b)]

    def matmul(self, a: A, b: A) -> A:
        lanes = np.broadcast_shapes(a.shape[:LANES], b.shape[:LANES])
        (m, n), k = a.shape[-2:], b.shape[-1]
        if not n:  # a sum of nothing
            return np.broadcast_to(self.lift(np.zeros((m, k))), lanes + (m, k))
        if b.shape[:LANES] == (1, 1):  # every lane's rows in one product
            rows = int(np.prod(a.shape[:LANES])) * m
            if rows <= FEW:  # FLINT lays the right operand out anew for each product: let that be the small one
                product = self._transpose(b) * arb_mat(n, rows, a.reshape(rows, n).T.ravel().tolist())
                found = _array(product.entries(), (k, rows)).T
                return np.ascontiguousarray(found).reshape(a.shape[:LANES] + (m, k))
            product = self._product(arb_mat(rows, n, a.ravel().tolist()), self._matrix(b), a, b)
            return _array(product.entries(), a.shape[:LANES] + (m, k))
        if a.shape[:LANES] == (1, 1):  # every lane's columns in one product
            columns = np.moveaxis(b, -2, 0)
            product = self._matrix(a) * arb_mat(n, columns[0].size, columns.ravel().tolist())
            return np.ascontiguousarray(np.moveaxis(_array(product.entries(), (m, *lanes, k)), 0, -2))
        a, b = np.broadcast_to(a, lanes + (m, n)), np.broadcast_to(b, lanes + (n, k))
        out = [
            _array((self._matrix(a[lane][None, None]) * self._matrix(b[lane][None, None])).entries(), (m, k))
            for lane in np.ndindex(*lanes)
        ]
        return np.stack(out).reshape(lanes + (m, k))

    def enclose(self, a: A) -> Enclosure:
        """Return an array of balls (samples and cotangents of length 1 dropped by the caller) as `Enclosure`."""
        numbers = a.ravel().tolist()
        zero = np.array([x.is_zero() for x in numbers], dtype=bool)
        some = ~zero
        rest = [x for x, nothing in zip(numbers, zero.tolist(), strict=True) if not nothing]
        high, low, radius = np.zeros((3, a.size))
        high[some] = [float(x) for x in rest]
        low[some] = [float(x - h) for x, h in zip(rest, high[some].tolist(), strict=True)]
        # What the pair leaves out of the midpoint is at most half an ulp of `low`, or of the smallest subnormal.
        spread = np.array([float(x.rad()) for x in rest]) * (1 + 2.0**-50)
        radius[some] = spread + np.abs(low[some]) * 2.0**-52 + 5e-324
        if not np.all(np.isfinite(high)):
            raise ArithmeticError("the exact value lies outside float64's range, or its ball is unbounded")
        high, low, radius = (part.reshape(a.shape) for part in (high, low, radius))
        return Enclosure(high, low, radius, zero.reshape(a.shape))


def _rounded(matrix: Any) -> Any:
    """Round every entry to the precision that is set, into its radius."""
    return arb_mat(matrix.nrows(), matrix.ncols(), [+x for x in matrix.entries()])


def _known_bits(a: A) -> int:
    """Bits between the largest magnitude of an array and its largest radius; very many if it is exact."""
    numbers = a.ravel().tolist()
    size, radius = max(abs(float(x)) for x in numbers), max(float(x.rad()) for x in numbers)
    if not 0.0 < radius < np.inf or not 0.0 < size < np.inf:
        return 1 << 20
    return int(np.log2(size) - np.log2(radius)) + 1


def _array(entries: list[Any], shape: tuple[int, ...]) -> A:
    out = np.empty(len(entries), dtype=object)
    out[:] = entries
    return out.reshape(shape)


def exact_dot(pairs: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> float:
    """Sum of the products of arrays of equal shapes, rounded once; for finite float64s, or narrower."""
    with FLINT, ctx.workprec(2200):  # wide enough for any product of two float64s, and for sums of them
        total = arb(0)
        for a, b in pairs:
            for x, y in zip(a.astype(np.float64).ravel().tolist(), b.astype(np.float64).ravel().tolist(), strict=True):
                total += arb(x) * arb(y)
        return float(total.mid())

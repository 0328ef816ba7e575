"""What a number is: one set of primitives over arrays, with exchangeable rounding.

Every array has two leading axes, (samples, cotangents), each of length 1 until something makes it
longer; the logical axes follow, and are addressed from the right. Equations and the tape call these
primitives and never look into the arrays, so that an arithmetic may keep what it likes in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradassay._ops import Index
from gradassay._words import Words

A = npt.NDArray[Any]
LANES = 2


def lanes_of(index: Index) -> tuple[Any, ...]:
    """Extend a logical index by the lane axes."""
    return (slice(None),) * LANES + (index if isinstance(index, tuple) else (index,))


class Float64:
    """NumPy's float64; also the base of the others, which change what an operation makes of its exact result.

    `_made` sees the result of every elementwise operation; contractions are `matmul` and `sum`.
    Operations that only move numbers (index, stack, where, ...) are exact and shared by all.
    """

    sampled = False  # whether the samples axis holds several accounts of one number

    def _made(self, exact: A) -> A:
        return exact

    # --- moving numbers

    def lift(self, array: npt.ArrayLike) -> A:
        """Take real data in, exactly: shape (...) becomes (1, 1, ...)."""
        return np.asarray(array, dtype=np.float64)[None, None]

    def shape(self, a: A) -> tuple[int, ...]:
        return a.shape[LANES:]

    def one_hot(self, shape: tuple[int, ...], elements: Sequence[int] | npt.NDArray[np.intp]) -> A:
        """Cotangents that pick `elements` of a flattened tensor, one a lane: shape (1, len(elements), *shape)."""
        size = int(np.prod(shape, dtype=np.int64))
        rows = np.zeros((len(elements), size))
        rows[np.arange(len(elements)), elements] = 1.0
        return np.asarray(self.lift(rows.reshape(len(elements), *shape))[0])

    def index(self, a: A, index: Index) -> A:
        return np.asarray(a[lanes_of(index)], dtype=a.dtype)

    def transpose(self, a: A) -> A:
        return np.swapaxes(a, -1, -2)

    def reshape(self, a: A, shape: tuple[int, ...]) -> A:
        return a.reshape(a.shape[:LANES] + shape)

    def broadcast(self, a: A, shape: tuple[int, ...]) -> A:
        extra = (1,) * (len(shape) - (a.ndim - LANES))
        a = a.reshape(a.shape[:LANES] + extra + a.shape[LANES:])
        return np.broadcast_to(a, a.shape[:LANES] + shape)

    def concatenate(self, arrays: Sequence[A], axis: int) -> A:
        lanes = np.broadcast_shapes(*(a.shape[:LANES] for a in arrays))
        return np.concatenate([np.broadcast_to(a, lanes + a.shape[LANES:]) for a in arrays], axis=axis)

    def where(self, mask: npt.ArrayLike, a: A, b: A) -> A:
        return np.where(np.asarray(mask, dtype=bool), a, b)

    def either(self, mask: npt.ArrayLike, a: A, b: A) -> A:
        """Choose by the outcome of a comparison."""
        return self.where(mask, a, b)

    def stopped(self, a: A) -> A:
        """The value alone: what moves with it, if anything does, is dropped."""
        return a

    def spliced(self, value: A, gradient: A) -> A:
        """The value, with whatever moves with it; the tape sends cotangents to `gradient` instead."""
        return value

    def gather(self, a: A, rows: npt.ArrayLike) -> A:
        """Rows of a matrix (V, n) at integers (...): shape (..., n)."""
        return np.take(a, np.asarray(rows), axis=LANES)

    def scatter(self, a: A, rows: npt.ArrayLike, count: int) -> A:
        """Adjoint of `gather`: add rows (..., n) into a matrix (count, n)."""
        flat = np.asarray(rows).reshape(-1)
        width = a.shape[-1]
        source = self.reshape(a, (flat.size, width))
        out = self.broadcast(self.lift(np.zeros((1, width))), (count, width))
        out = np.array(np.broadcast_to(out, source.shape[:LANES] + (count, width)))
        for row in np.unique(flat):
            out[:, :, row] = self.sum(source[:, :, flat == row], (-2,))
        return out

    def assemble(self, shape: tuple[int, ...], pieces: Sequence[tuple[Index, A]]) -> A:
        """Adjoint of indexing, for all its uses at once: zeros where no piece falls, sums where several do."""
        lanes = np.broadcast_shapes(*(piece.shape[:LANES] for _, piece in pieces))
        out = np.array(np.broadcast_to(self.lift(np.zeros(shape)), lanes + shape))
        taken = np.zeros(shape, dtype=bool)
        for index, piece in pieces:
            where = lanes_of(index)
            total = self.add(out[where], piece) if taken[index].any() else piece
            lanes = np.broadcast_shapes(out.shape[:LANES], total.shape[:LANES])  # a sum may have made samples
            out = out if out.shape[:LANES] == lanes else np.array(np.broadcast_to(out, lanes + shape))
            out[where] = total
            taken[index] = True
        return out

    # --- arithmetic

    def add(self, a: A, b: A) -> A:
        return self._made(a + b)

    def subtract(self, a: A, b: A) -> A:
        return self._made(a - b)

    def negate(self, a: A) -> A:
        return np.asarray(-a)

    def multiply(self, a: A, b: A) -> A:
        return self._made(a * b)

    def divide(self, a: A, b: A) -> A:
        return self._made(a / b)

    def sigmoid(self, a: A) -> A:
        small = np.exp(-np.abs(a))  # never overflows, and keeps relative accuracy at both ends
        return self._made(np.where(a >= 0, 1.0, small) / (1.0 + small))

    def tanh(self, a: A) -> A:
        return self._made(np.tanh(a))

    def exp(self, a: A) -> A:
        return self._made(np.exp(a))

    def log(self, a: A) -> A:
        return self._made(np.log(a))

    def sqrt(self, a: A) -> A:
        return self._made(np.sqrt(a))

    def greater(self, a: A, b: A) -> npt.NDArray[np.bool_]:
        """Decide a > b, for `maximum`; a logical array, since a branch is one for all lanes."""
        decided = np.asarray(a > b)
        first = decided[:1, :1]
        if not np.array_equal(np.broadcast_to(first, decided.shape), decided):
            raise ArithmeticError("a comparison falls out differently within the rounding noise: keep away from ties")
        return np.asarray(first[0, 0])

    def matmul(self, a: A, b: A) -> A:
        """(m, n) @ (n, k): every element one reduction of n terms."""
        return np.asarray(np.matmul(a, b))

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        """Sum over logical axes (negative); each element one reduction."""
        return np.asarray(a.sum(axis=axes))


Order = Literal["blas", "sequential", "reversed", "pairwise"]


class Rounded(Float64):
    """Each result rounded to a dtype: what a plain, correct implementation in that dtype computes.

    Values are float64 arrays that hold numbers of the dtype. A reduction runs in `order`, its products
    and partial sums rounded to `accumulation`, its result to the dtype.
    """

    def __init__(self, dtype: np.dtype[Any], accumulation: np.dtype[Any] | None = None, order: Order = "sequential"):
        self.dtype, self.accumulation, self.order = dtype, accumulation or dtype, order

    def _to(self, a: A, dtype: np.dtype[Any]) -> A:
        if dtype == np.float64:
            return a
        with np.errstate(over="ignore", invalid="ignore"):  # overflow to Inf is what the dtype does
            return a.astype(dtype).astype(np.float64)

    def _made(self, exact: A) -> A:
        return self._to(exact, self.dtype)

    def lift(self, array: npt.ArrayLike) -> A:
        return self._made(super().lift(array))

    @np.errstate(invalid="ignore")  # Inf - Inf is NaN, as in the dtype
    def _reduce(self, terms: A) -> A:
        """Sum over the first axis."""
        terms = self._to(terms, self.accumulation)
        if self.order == "reversed":
            terms = terms[::-1]
        if self.order == "pairwise":
            while len(terms) > 1:
                half = len(terms) // 2
                paired = self._to(terms[:half] + terms[half : 2 * half], self.accumulation)
                terms = np.concatenate([paired, terms[2 * half :]])
            return self._made(terms.sum(axis=0))
        total = np.zeros(terms.shape[1:])
        for term in terms:
            total = self._to(total + term, self.accumulation)
        return self._made(total)

    @np.errstate(over="ignore", invalid="ignore")
    def matmul(self, a: A, b: A) -> A:
        if self.order == "blas":
            wide = np.dtype(np.float64 if self.accumulation == np.float64 else np.float32)
            return self._made(np.matmul(a.astype(wide), b.astype(wide)).astype(np.float64))
        if self.order == "pairwise":
            return self._reduce(np.moveaxis(a[..., :, :, None] * b[..., None, :, :], -2, 0))
        total: A = np.zeros(np.broadcast_shapes(a.shape[:LANES], b.shape[:LANES]) + (a.shape[-2], b.shape[-1]))
        steps = range(a.shape[-1])
        for k in reversed(steps) if self.order == "reversed" else steps:
            term = self._to(a[..., :, k, None] * b[..., None, k, :], self.accumulation)
            total = self._to(total + term, self.accumulation)
        return self._made(total)

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        if not axes:
            return a
        kept = [axis for axis in range(a.ndim) if axis - a.ndim not in axes]
        terms = np.transpose(a, [axis + a.ndim for axis in axes] + kept)
        return self._reduce(terms.reshape(-1, *(a.shape[axis] for axis in kept)))


class Noisy(Float64):
    """Float64 with the rounding errors of a correct implementation drawn at random: what noise looks like.

    An elementwise result r gets an error uniform in +-(u |r| + tiny). A reduction of n terms p_i with sum S
    gets one uniform in +-u' sqrt(n/2 sum p_i^2 + n/3 S^2), on top of its storage. That is the expected error
    of recursive summation: each partial sum s_k is rounded, by u' s_k at most, and the sum of all s_k^2 is
    near n/2 sum p_i^2 for terms of random sign and near n/3 S^2 for terms of one sign (Higham, 'Accuracy and
    Stability of Numerical Algorithms', 4.2, with independent errors).

    Args:
        storage: unit roundoff u of elementwise results.
        accumulation: unit roundoff u' of partial sums.
        operand: unit roundoff to which operands of products are rounded, once per tensor; 0 for none (TF32: 2^-11).
        tiny: absolute error of every elementwise result (the smallest normal number).
        words: the source of randomness, seeded by the case.
        samples: K, the number of independent samples drawn side by side.
        draw: uniform numbers in (-1, 1) of a shape, from elsewhere than `words`.
    """

    sampled = True

    def __init__(
        self,
        storage: float,
        accumulation: float,
        operand: float,
        tiny: float,
        words: Words,
        samples: int = 32,
        draw: Callable[[tuple[int, ...]], A] | None = None,
    ) -> None:
        self.storage, self.accumulation, self.operand, self.tiny = storage, accumulation, operand, tiny
        self.samples = samples
        self._draw = draw or words.coarse_uniform
        self._operands: dict[int, tuple[A, A]] = {}
        self._weights: dict[int, tuple[A, tuple[A, A, float]]] = {}

    def _uniform(self, shape: tuple[int, ...]) -> A:
        return self._draw((self.samples, *shape[1:]))

    def _made(self, exact: A) -> A:
        size = np.abs(exact)
        size *= self.storage
        size += self.tiny
        error = _times(size, self._uniform(exact.shape))
        error += exact
        return error

    def _as_operand(self, a: A) -> A:
        """Round an operand once: the same array, used at every step, gets the same error."""
        if not self.operand:
            return a
        if id(a) not in self._operands:
            self._operands[id(a)] = (a, np.asarray(a * (1.0 + self.operand * self._uniform(a.shape))))
        return self._operands[id(a)][1]

    def matmul(self, a: A, b: A) -> A:
        a, b = self._as_operand(a), self._as_operand(b)
        (a, a_squared, scale_a), (b, b_squared, scale_b) = self._scaled(a), self._scaled(b)
        return self._summed(_product(a, b), _product(a_squared, b_squared), a.shape[-1], scale_a * scale_b)

    def _scaled(self, a: A) -> tuple[A, A, float]:
        """Return a / scale, its squares, and a scale such that squares of small numbers do not underflow.

        What is known to have neither samples nor lanes is kept: it is a weight, most likely, used at every step.
        """
        if id(a) in self._weights:
            return self._weights[id(a)][1]
        scale = _scale(a)
        unit = _over(a, scale)
        found = (unit, np.square(unit), scale)
        if a.shape[:LANES] == (1, 1):
            self._weights[id(a)] = (a, found)  # the array is kept beside it, so that its id stays its own
        return found

    def _summed(self, total: A, squares: A, terms: int, scale: float) -> A:
        spread = squares
        spread *= terms / 2
        of_one_sign = np.square(total)
        of_one_sign *= terms / 3
        spread += of_one_sign
        np.sqrt(spread, out=spread)
        spread *= self.accumulation
        error = _times(spread, self._uniform(total.shape))
        error += total
        error *= scale
        return self._made(error)

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        if not axes:
            return a
        scale = _scale(a)
        terms = int(np.prod([a.shape[axis] for axis in axes], dtype=np.int64))
        unit = _over(a, scale)
        return self._summed(unit.sum(axis=axes), np.square(unit).sum(axis=axes), terms, scale)


def _scale(a: A) -> float:
    """A power of two near the largest magnitude, by which dividing is exact; 1 for zeros and empty arrays."""
    largest = float(np.abs(a).max(initial=0.0))
    return float(2.0 ** np.floor(np.log2(largest))) if 0.0 < largest < np.inf else 1.0


def _times(a: A, b: A) -> A:
    """a * b, in a's memory where that is large enough."""
    return np.asarray(np.multiply(a, b, out=a if a.shape == b.shape else None))


def _over(a: A, scale: float) -> A:
    """Divide by a power of two, which is exact; by multiplying where that is the same to the bit, and faster."""
    if scale == 1.0:
        return a
    return np.asarray(a * (1.0 / scale) if 2.0**-1000 < scale < 2.0**1000 else a / scale)


def _product(a: A, b: A) -> A:
    """a @ b; with many lanes on the left and one on the right as one product, not one a lane."""
    samples, lanes, rows, inner = a.shape
    if lanes == 1 or b.shape[1] > 1:
        return np.asarray(np.matmul(a, b))
    product = np.matmul(a.reshape(samples, 1, lanes * rows, inner), b)
    return np.asarray(product.reshape(len(product), lanes, rows, b.shape[-1]))

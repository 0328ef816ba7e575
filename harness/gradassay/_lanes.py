"""Lanes that grow: the rows or columns of a Jacobian side by side, each from where it can first be other than 0.

A Jacobian is swept with one lane for each row (pulling cotangents back) or column (pushing tangents forward).
Causality makes most of them exactly zero for part of the way: the cotangents of an early output are zero until
the sweep comes to it. So lanes are numbered in the order in which arithmetic first meets them, and an array
holds no more than the first few: whatever lanes it lacks at the end are exact zeros. No spec need say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import LANES, A, Float64
from gradassay._ops import Index


class Seed(NamedTuple):
    """One-hot lanes that no arithmetic has met yet: the number of the lane's element at each place, -1 at none."""

    elements: npt.NDArray[np.intp]


class Lanes(Float64):
    """An arithmetic whose derivatives have lanes of their own over `base`, whose values have one.

    Values have a single lane and are broadcast by products. Sums and joins of derivatives pad what is missing with
    exact zeros.

    Attributes:
        order: the lane of each element met so far.
    """

    def __init__(self, base: Float64) -> None:
        self.base = base
        self.order: dict[int, int] = {}

    def array(self, a: A | Seed) -> A:
        """Give a seed its lanes: shape (1, as many as its last lane needs, *shape)."""
        if not isinstance(a, Seed):
            return a
        found = np.argwhere(a.elements >= 0)  # not nonzero: it refuses a number, such as a loss
        if not len(found):
            return self.base.lift(np.zeros(a.elements.shape))
        places = tuple(found.T)
        elements = np.atleast_1d(a.elements[places]).tolist()
        lanes = [self.order.setdefault(element, len(self.order)) for element in elements]
        hot = np.zeros((max(lanes) + 1, *a.elements.shape))
        hot[(np.array(lanes), *places)] = 1.0
        return np.asarray(self.base.lift(hot)[:, 0])

    def _padded(self, arrays: Sequence[A | Seed]) -> list[A]:
        found = [self.array(a) for a in arrays]
        lanes = max(a.shape[1] for a in found)
        return [a if a.shape[1] == lanes else self._extended(a, lanes) for a in found]

    def _extended(self, a: A, lanes: int) -> A:
        zero = self.base.lift(0.0)[:1].reshape((1,) * a.ndim)
        zero = np.broadcast_to(zero, (len(a), lanes - a.shape[1], *a.shape[2:]))
        return np.concatenate([a, zero], axis=1)

    # --- moving numbers

    def lift(self, array: npt.ArrayLike) -> A:
        return self.base.lift(array)

    def shape(self, a: A | Seed) -> tuple[int, ...]:
        return a.elements.shape if isinstance(a, Seed) else a.shape[LANES:]

    def index(self, a: Any, index: Index) -> Any:
        if isinstance(a, Seed):
            return Seed(np.asarray(a.elements[index]))
        return self.base.index(a, index)

    def transpose(self, a: Any) -> Any:
        return Seed(np.swapaxes(a.elements, -1, -2)) if isinstance(a, Seed) else self.base.transpose(a)

    def reshape(self, a: Any, shape: tuple[int, ...]) -> Any:
        return Seed(a.elements.reshape(shape)) if isinstance(a, Seed) else self.base.reshape(a, shape)

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        return Seed(np.broadcast_to(a.elements, shape)) if isinstance(a, Seed) else self.base.broadcast(a, shape)

    def concatenate(self, arrays: Sequence[Any], axis: int) -> A:
        return self.base.concatenate(self._padded(arrays), axis)

    def where(self, mask: npt.ArrayLike, a: Any, b: Any) -> A:
        # A constant without axes is the same in every lane, and would not line up with lanes of its own.
        arrays = [self.array(a), self.array(b)]
        return self.base.where(mask, *(arrays if min(x.ndim for x in arrays) == LANES else self._padded(arrays)))

    def gather(self, a: Any, rows: npt.ArrayLike) -> Any:
        if isinstance(a, Seed):
            return Seed(np.take(a.elements, np.asarray(rows), axis=0))
        return self.base.gather(a, rows)

    def scatter(self, a: Any, rows: npt.ArrayLike, count: int) -> A:
        return self.base.scatter(self.array(a), rows, count)

    def assemble(self, shape: tuple[int, ...], pieces: Sequence[tuple[Index, Any]]) -> A:
        padded = self._padded([piece for _, piece in pieces])
        return self.base.assemble(shape, [(index, piece) for (index, _), piece in zip(pieces, padded, strict=True)])

    # --- arithmetic

    def add(self, a: Any, b: Any) -> A:
        """Sum; lanes that one of them lacks are the other's own, to the bit."""
        a, b = self.array(a), self.array(b)
        few, many = sorted((a.shape[1], b.shape[1]))
        if few == many:
            return self.base.add(a, b)
        longer = a if a.shape[1] == many else b
        head = self.base.add(a[:, :few], b[:, :few])
        tail = np.broadcast_to(longer[:, few:], (len(head), many - few, *head.shape[LANES:]))
        return np.concatenate([head, tail], axis=1)

    def subtract(self, a: Any, b: Any) -> A:
        return self.base.subtract(*self._padded([a, b]))

    def negate(self, a: Any) -> A:
        return self.base.negate(self.array(a))

    def multiply(self, a: Any, b: Any) -> A:
        return self.base.multiply(self.array(a), self.array(b))

    def divide(self, a: Any, b: Any) -> A:
        return self.base.divide(self.array(a), self.array(b))

    def sigmoid(self, a: A) -> A:
        return self.base.sigmoid(a)

    def tanh(self, a: A) -> A:
        return self.base.tanh(a)

    def exp(self, a: A) -> A:
        return self.base.exp(a)

    def log(self, a: A) -> A:
        return self.base.log(a)

    def sqrt(self, a: A) -> A:
        return self.base.sqrt(a)

    def greater(self, a: A, b: A) -> npt.NDArray[np.bool_]:
        return self.base.greater(a, b)

    def matmul(self, a: Any, b: Any) -> A:
        return self.base.matmul(self.array(a), self.array(b))

    def sum(self, a: Any, axes: tuple[int, ...]) -> A:
        return self.base.sum(self.array(a), axes)

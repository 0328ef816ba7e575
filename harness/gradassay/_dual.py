"""Dual numbers over any arithmetic: (primal, tangent) pairs carry a JVP forward, and under the tape an HVP.

A tangent of None is an exact zero. The rules are those of any calculus text; the tape's reverse rules,
written apart, are tested against them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import A, Float64
from gradassay._ops import Index


class Pair(NamedTuple):
    primal: A
    tangent: A | None


class Dual:
    """Arithmetic of `Pair`s over `base`: the same primitives as `Float64`."""

    def __init__(self, base: Float64) -> None:
        self.base = base

    # --- pairs

    def lift(self, array: npt.ArrayLike) -> Pair:
        return Pair(self.base.lift(array), None)

    def with_tangent(self, array: npt.ArrayLike, tangent: npt.ArrayLike | None) -> Pair:
        return Pair(self.base.lift(array), None if tangent is None else self.base.lift(tangent))

    def tangent(self, a: Pair) -> A:
        """The tangent as an array, zeros when it is none."""
        return self.base.lift(np.zeros(self.shape(a))) if a.tangent is None else a.tangent

    def shape(self, a: Pair) -> tuple[int, ...]:
        return self.base.shape(a.primal)

    def one_hot(self, shape: tuple[int, ...], elements: Sequence[int] | npt.NDArray[np.intp]) -> Pair:
        return Pair(self.base.one_hot(shape, elements), None)

    def _plus(self, a: A | None, b: A | None) -> A | None:
        if a is None or b is None:
            return a if b is None else b
        return self.base.add(a, b)

    def _times(self, a: A, b: A | None) -> A | None:
        return None if b is None else self.base.multiply(a, b)

    # --- moving numbers

    def index(self, a: Pair, index: Index) -> Pair:
        return Pair(*(None if part is None else self.base.index(part, index) for part in a))  # type: ignore[arg-type]  # the primal is never None

    def transpose(self, a: Pair) -> Pair:
        return Pair(self.base.transpose(a.primal), None if a.tangent is None else self.base.transpose(a.tangent))

    def reshape(self, a: Pair, shape: tuple[int, ...]) -> Pair:
        return Pair(
            self.base.reshape(a.primal, shape), None if a.tangent is None else self.base.reshape(a.tangent, shape)
        )

    def broadcast(self, a: Pair, shape: tuple[int, ...]) -> Pair:
        return Pair(
            self.base.broadcast(a.primal, shape), None if a.tangent is None else self.base.broadcast(a.tangent, shape)
        )

    def concatenate(self, arrays: Sequence[Pair], axis: int) -> Pair:
        primal = self.base.concatenate([a.primal for a in arrays], axis)
        if all(a.tangent is None for a in arrays):
            return Pair(primal, None)
        return Pair(primal, self.base.concatenate([self.tangent(a) for a in arrays], axis))

    def where(self, mask: npt.ArrayLike, a: Pair, b: Pair) -> Pair:
        return self._chosen(self.base.where, mask, a, b)

    def either(self, mask: npt.ArrayLike, a: Pair, b: Pair) -> Pair:
        return self._chosen(self.base.either, mask, a, b)

    def _chosen(self, choose: Callable[[npt.ArrayLike, A, A], A], mask: npt.ArrayLike, a: Pair, b: Pair) -> Pair:
        primal = choose(mask, a.primal, b.primal)
        if a.tangent is None and b.tangent is None:
            return Pair(primal, None)
        return Pair(primal, choose(mask, self.tangent(a), self.tangent(b)))

    def stopped(self, a: Pair) -> Pair:
        return Pair(a.primal, None)

    def spliced(self, value: Pair, gradient: Pair) -> Pair:
        return value

    def gather(self, a: Pair, rows: npt.ArrayLike) -> Pair:
        return Pair(self.base.gather(a.primal, rows), None if a.tangent is None else self.base.gather(a.tangent, rows))

    def scatter(self, a: Pair, rows: npt.ArrayLike, count: int) -> Pair:
        tangent = None if a.tangent is None else self.base.scatter(a.tangent, rows, count)
        return Pair(self.base.scatter(a.primal, rows, count), tangent)

    def assemble(self, shape: tuple[int, ...], pieces: Sequence[tuple[Index, Pair]]) -> Pair:
        primal = self.base.assemble(shape, [(index, piece.primal) for index, piece in pieces])
        moving = [(index, piece.tangent) for index, piece in pieces if piece.tangent is not None]
        return Pair(primal, self.base.assemble(shape, moving) if moving else None)

    # --- arithmetic

    def add(self, a: Pair, b: Pair) -> Pair:
        tangent = self._plus(a.tangent, b.tangent)
        primal = self.base.add(a.primal, b.primal)
        return Pair(primal, None if tangent is None else self._spread(tangent, primal))

    def subtract(self, a: Pair, b: Pair) -> Pair:
        return self.add(a, self.negate(b))

    def negate(self, a: Pair) -> Pair:
        return Pair(self.base.negate(a.primal), None if a.tangent is None else self.base.negate(a.tangent))

    def multiply(self, a: Pair, b: Pair) -> Pair:
        tangent = self._plus(self._times(b.primal, a.tangent), self._times(a.primal, b.tangent))
        return Pair(self.base.multiply(a.primal, b.primal), tangent)

    def divide(self, a: Pair, b: Pair) -> Pair:
        quotient = self.base.divide(a.primal, b.primal)
        carried = self._times(quotient, b.tangent)
        top = self._plus(a.tangent, None if carried is None else self.base.negate(carried))
        return Pair(quotient, None if top is None else self.base.divide(top, b.primal))

    def sigmoid(self, a: Pair) -> Pair:
        s = self.base.sigmoid(a.primal)
        if a.tangent is None:
            return Pair(s, None)
        slope = self.base.multiply(s, self.base.subtract(self.base.lift(1.0), s))
        return Pair(s, self._times(slope, a.tangent))

    def tanh(self, a: Pair) -> Pair:
        t = self.base.tanh(a.primal)
        if a.tangent is None:
            return Pair(t, None)
        slope = self.base.subtract(self.base.lift(1.0), self.base.multiply(t, t))
        return Pair(t, self._times(slope, a.tangent))

    def exp(self, a: Pair) -> Pair:
        e = self.base.exp(a.primal)
        return Pair(e, self._times(e, a.tangent))

    def log(self, a: Pair) -> Pair:
        return Pair(self.base.log(a.primal), None if a.tangent is None else self.base.divide(a.tangent, a.primal))

    def sqrt(self, a: Pair) -> Pair:
        root = self.base.sqrt(a.primal)
        if a.tangent is None:
            return Pair(root, None)
        return Pair(root, self.base.divide(a.tangent, self.base.add(root, root)))

    def greater(self, a: Pair, b: Pair) -> npt.NDArray[np.bool_]:
        return self.base.greater(a.primal, b.primal)

    def matmul(self, a: Pair, b: Pair) -> Pair:
        left = None if a.tangent is None else self.base.matmul(a.tangent, b.primal)
        right = None if b.tangent is None else self.base.matmul(a.primal, b.tangent)
        return Pair(self.base.matmul(a.primal, b.primal), self._plus(left, right))

    def sum(self, a: Pair, axes: tuple[int, ...]) -> Pair:
        return Pair(self.base.sum(a.primal, axes), None if a.tangent is None else self.base.sum(a.tangent, axes))

    def _spread(self, tangent: A, primal: A) -> A:
        """Give a tangent its primal's logical shape: the other operand of a sum may have been wider."""
        shape = self.base.shape(primal)
        return tangent if self.base.shape(tangent) == shape else self.base.broadcast(tangent, shape)

"""Reverse-mode differentiation over any arithmetic: no backward pass is derived by hand anywhere in the reference.

Each operation records, for each operand, how a cotangent of its result becomes a cotangent of the operand.
Two kinds of contribution are kept apart until all are known: the pieces of an indexed tensor, which are
put together without arithmetic, and the products of a right operand of `@`. The latter are contracted in
one product, because the gradient of a weight used at T steps of a batch of B is one reduction over B T terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import numpy.typing as npt

from gradassay._ops import Index

Edit = Callable[["Tape", "Var", Mapping[str, "int | str"]], "Var"]
Where = tuple[tuple[str, "int | str"], ...]


class Contributions:
    """What has come in so far towards the cotangent of one variable."""

    def __init__(self) -> None:
        self.whole: list[Any] = []
        self.pieces: list[tuple[Index, Any]] = []
        self.products: list[tuple[Any, Any]] = []  # (left operand, cotangent of the product)

    def total(self, numbers: Any, shape: tuple[int, ...]) -> Any:
        parts = list(self.whole)
        if self.pieces:
            parts.append(numbers.assemble(shape, self.pieces))
        if self.products:
            lefts, cotangents = zip(*self.products, strict=True)
            left, cotangent = numbers.concatenate(lefts, -2), numbers.concatenate(cotangents, -2)
            parts.append(numbers.matmul(numbers.transpose(left), cotangent))
        cotangent = parts[0]
        for part in parts[1:]:
            cotangent = numbers.add(cotangent, part)
        return cotangent


Rule = Callable[[Any, Contributions], None]


class Var:
    """A value on a tape. `rules` pairs each operand that needs a cotangent with its share of the chain rule."""

    __slots__ = ("_transposed", "needed", "position", "rules", "tape", "value")

    def __init__(self, tape: Tape, value: Any, rules: Sequence[tuple[Var, Rule]] = (), leaf: bool = False) -> None:
        self.tape, self.value = tape, value
        self.position = tape.register(self)
        if tape.useful is not None and self.position not in tape.useful:
            self.value, rules, leaf = tape.numbers.stopped(value), (), False
        self.rules = tuple([pair for pair in rules if pair[0].needed])
        self.needed: bool = leaf or bool(self.rules)
        self._transposed: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tape.numbers.shape(self.value)  # type: ignore[no-any-return]  # arithmetics are duck-typed here

    @property
    def transposed_value(self) -> Any:
        """The transposed value, made once: it is the same operand at every step."""
        if self._transposed is None:
            self._transposed = self.tape.numbers.transpose(self.value)
        return self._transposed

    @property
    def T(self) -> Var:
        return self.tape.transpose(self)

    def __add__(self, other: Var | float) -> Var:
        return self.tape.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Var | float) -> Var:
        return self.tape.add(self, -self.tape.constant(other))

    def __rsub__(self, other: float) -> Var:
        return self.tape.constant(other) - self

    def __mul__(self, other: Var | float) -> Var:
        return self.tape.multiply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Var:
        return self.tape.negate(self)

    def __matmul__(self, other: Var) -> Var:
        return self.tape.matmul(self, other)

    def __getitem__(self, index: Index) -> Var:
        return self.tape.index(self, index)


def _to_whole(function: Callable[[Any], Any]) -> Rule:
    return lambda cotangent, into: into.whole.append(function(cotangent))


class Tape:
    """Implements `Ops` over an arithmetic (`Float64`, `Ball`, `Noisy`, `Rounded`, or `Dual` of one).

    Args:
        numbers: the arithmetic.
        edits: what to do with the value at a mark, by the mark's name; this is how faults are planted.
        useful: positions of the variables whose derivatives matter; those of all others are dropped. None: of all.
    """

    def __init__(
        self, numbers: Any, edits: Mapping[str, Edit] | None = None, useful: AbstractSet[int] | None = None
    ) -> None:
        self.numbers, self.useful = numbers, useful
        self.edits = edits or {}
        self.marks: dict[str, dict[Where, Var]] = {}
        self._vars: list[Var] = []

    def register(self, var: Var) -> int:
        self._vars.append(var)
        return len(self._vars) - 1

    # --- leaves

    def leaf(self, value: Any) -> Var:
        """A differentiated variable, from a value of the arithmetic."""
        return Var(self, value, leaf=True)

    def constant(self, array: npt.ArrayLike | Var) -> Var:
        return array if isinstance(array, Var) else Var(self, self.numbers.lift(np.asarray(array, dtype=np.float64)))

    def constant_value(self, value: Any) -> Var:
        """A constant, from a value of the arithmetic."""
        return Var(self, value)

    def integers(self, value: npt.ArrayLike) -> npt.NDArray[np.int64]:
        return np.asarray(value, dtype=np.int64)

    # --- the derivative

    def gradients(self, seeds: Sequence[tuple[Var, Any]], wrt: Sequence[Var]) -> list[Any]:
        """Pull cotangents back: given (output, cotangent) pairs, return the cotangent of each of `wrt`.

        Cotangents are values of the arithmetic; their lanes run through. A variable on which no seeded
        output depends gets an exact zero.
        """
        wanted = {var.position for var in wrt}
        found = {position: cotangent for position, cotangent in self.pull(seeds) if position in wanted}
        return [found[var.position] if var.position in found else self.numbers.lift(np.zeros(var.shape)) for var in wrt]

    def pull(self, seeds: Sequence[tuple[Var, Any]]) -> Iterator[tuple[int, Any]]:
        """Yield (position, cotangent) of every variable that a seeded output depends on, the last one first."""
        incoming: dict[int, Contributions] = {}
        for output, cotangent in seeds:
            incoming.setdefault(output.position, Contributions()).whole.append(cotangent)
        for position in range(max((output.position for output, _ in seeds), default=-1), -1, -1):
            if position not in incoming:
                continue
            var = self._vars[position]
            cotangent = incoming.pop(position).total(self.numbers, var.shape)
            yield position, cotangent
            for operand, rule in var.rules:
                rule(cotangent, incoming.setdefault(operand.position, Contributions()))

    def value_at(self, position: int) -> Any:
        return self._vars[position].value

    def _unbroadcast(self, cotangent: Any, shape: tuple[int, ...]) -> Any:
        """Adjoint of broadcasting: sum over the axes along which an operand was repeated."""
        have = self.numbers.shape(cotangent)
        if have == shape:
            return cotangent
        padded = (1,) * (len(have) - len(shape)) + shape
        axes = tuple(
            i - len(have)
            for i, (h, s) in enumerate(zip(have, padded, strict=True))
            if h != s or i < len(have) - len(shape)
        )
        return self.numbers.reshape(self.numbers.sum(cotangent, axes), shape)

    # --- operations

    def _aligned(self, a: Var | float, b: Var | float) -> tuple[Var, Var]:
        """Give both operands the same rank: an array of fewer axes would meet the lanes of the other."""
        a, b = self.constant(a), self.constant(b)
        rank = max(len(a.shape), len(b.shape))

        def padded(v: Var) -> Var:
            return v if len(v.shape) == rank else self.reshape(v, (1,) * (rank - len(v.shape)) + v.shape)

        return padded(a), padded(b)

    def add(self, a: Var | float, b: Var | float) -> Var:
        a, b = self._aligned(a, b)
        rules = [(v, _to_whole(lambda g, s=v.shape: self._unbroadcast(g, s))) for v in (a, b)]  # type: ignore[misc]  # mypy cannot type the default
        return Var(self, self.numbers.add(a.value, b.value), rules)

    def negate(self, a: Var) -> Var:
        return Var(self, self.numbers.negate(a.value), [(a, _to_whole(self.numbers.negate))])

    def multiply(self, a: Var | float, b: Var | float) -> Var:
        (a, b), n = self._aligned(a, b), self.numbers
        return Var(
            self,
            n.multiply(a.value, b.value),
            [
                (a, _to_whole(lambda g: self._unbroadcast(n.multiply(g, b.value), a.shape))),
                (b, _to_whole(lambda g: self._unbroadcast(n.multiply(g, a.value), b.shape))),
            ],
        )

    def divide(self, a: Var | float, b: Var | float) -> Var:
        (a, b), n = self._aligned(a, b), self.numbers
        quotient = n.divide(a.value, b.value)

        def to_b(g: Any) -> Any:
            return self._unbroadcast(n.negate(n.divide(n.multiply(g, quotient), b.value)), b.shape)

        to_a = _to_whole(lambda g: self._unbroadcast(n.divide(g, b.value), a.shape))
        return Var(self, quotient, [(a, to_a), (b, _to_whole(to_b))])

    def sigmoid(self, a: Var) -> Var:
        n = self.numbers
        s = n.sigmoid(a.value)
        return Var(self, s, [(a, _to_whole(lambda g: n.multiply(g, n.multiply(s, n.subtract(n.lift(1.0), s)))))])

    def tanh(self, a: Var) -> Var:
        n = self.numbers
        t = n.tanh(a.value)
        return Var(self, t, [(a, _to_whole(lambda g: n.multiply(g, n.subtract(n.lift(1.0), n.multiply(t, t)))))])

    def exp(self, a: Var) -> Var:
        e = self.numbers.exp(a.value)
        return Var(self, e, [(a, _to_whole(lambda g: self.numbers.multiply(g, e)))])

    def log(self, a: Var) -> Var:
        return Var(self, self.numbers.log(a.value), [(a, _to_whole(lambda g: self.numbers.divide(g, a.value)))])

    def sqrt(self, a: Var) -> Var:
        n = self.numbers
        root = n.sqrt(a.value)
        return Var(self, root, [(a, _to_whole(lambda g: n.divide(g, n.add(root, root))))])

    def maximum(self, a: Var | float, b: Var | float) -> Var:
        a, b = self.constant(a), self.constant(b)
        shape = np.broadcast_shapes(a.shape, b.shape)
        n = self.numbers
        return self._chosen(n.either, n.greater(n.broadcast(a.value, shape), n.broadcast(b.value, shape)), a, b)

    def logsumexp(self, a: Var, axis: int) -> Var:
        """log sum exp along one axis, each sum shifted by a constant that cancels exactly in the real numbers."""
        peak = self._roughly(a).max(axis=axis, keepdims=True)
        summed = self.sum(self.exp(a - self.constant(peak)), axis)
        return self.log(summed) + self.constant(peak.reshape(summed.shape))

    def _roughly(self, a: Var) -> npt.NDArray[np.float64]:
        """The value in floats, the largest of its lanes: enough for a shift that cancels."""
        value = a.value.primal if hasattr(a.value, "primal") else a.value
        floats = np.asarray(np.frompyfunc(float, 1, 1)(value), dtype=np.float64)
        return np.asarray(floats.max(axis=(0, 1)))

    def matmul(self, a: Var, b: Var) -> Var:
        def to_b(g: Any, into: Contributions) -> None:
            into.products.append((a.value, g))

        to_a = _to_whole(lambda g: self.numbers.matmul(g, b.transposed_value))
        return Var(self, self.numbers.matmul(a.value, b.value), [(a, to_a), (b, to_b)])

    def sum(self, a: Var, axis: int | tuple[int, ...] | None = None) -> Var:
        n, shape = self.numbers, a.shape
        axes = tuple(range(-len(shape), 0)) if axis is None else (axis,) if isinstance(axis, int) else axis
        if any(i >= 0 for i in axes):
            raise ValueError(f"sum over axis {axis}: axes count from the right and are negative")
        kept = tuple(1 if i - len(shape) in axes else size for i, size in enumerate(shape))
        return Var(self, n.sum(a.value, axes), [(a, _to_whole(lambda g: n.broadcast(n.reshape(g, kept), shape)))])

    def where(self, mask: npt.ArrayLike, a: Var | float, b: Var | float) -> Var:
        return self._chosen(self.numbers.where, mask, self.constant(a), self.constant(b))

    def _chosen(self, choose: Callable[[Any, Any, Any], Any], mask: npt.ArrayLike, a: Var, b: Var) -> Var:
        n, chosen = self.numbers, np.asarray(mask, dtype=bool)
        shape = np.broadcast_shapes(chosen.shape, a.shape, b.shape)
        zero = n.lift(0.0)
        value = choose(chosen, n.broadcast(a.value, shape), n.broadcast(b.value, shape))
        return Var(
            self,
            value,
            [
                (a, _to_whole(lambda g: self._unbroadcast(choose(chosen, g, zero), a.shape))),
                (b, _to_whole(lambda g: self._unbroadcast(choose(chosen, zero, g), b.shape))),
            ],
        )

    def gather(self, a: Var, rows: npt.ArrayLike) -> Var:
        count = a.shape[0]
        return Var(
            self, self.numbers.gather(a.value, rows), [(a, _to_whole(lambda g: self.numbers.scatter(g, rows, count)))]
        )

    def index(self, a: Var, index: Index) -> Var:
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, np.ndarray | list):
                raise TypeError(f"an index holds integers and slices, not a {type(part).__name__}: `gather` rows")

        def to_a(g: Any, into: Contributions) -> None:
            into.pieces.append((index, g))

        return Var(self, self.numbers.index(a.value, index), [(a, to_a)])

    def transpose(self, a: Var) -> Var:
        return Var(self, a.transposed_value, [(a, _to_whole(self.numbers.transpose))])

    def concatenate(self, values: Sequence[Var], axis: int) -> Var:
        if axis >= 0:
            raise ValueError(f"concatenate along axis {axis}: axes count from the right and are negative")
        rules, start = [], 0
        for var in values:
            stop = start + var.shape[axis]
            index = (slice(None),) * (len(var.shape) + axis) + (slice(start, stop),)
            rules.append((var, _to_whole(lambda g, i=index: self.numbers.index(g, i))))  # type: ignore[misc]  # mypy cannot type the default
            start = stop
        return Var(self, self.numbers.concatenate([var.value for var in values], axis), rules)

    def reshape(self, a: Var, shape: tuple[int, ...]) -> Var:
        before = a.shape
        return Var(
            self, self.numbers.reshape(a.value, shape), [(a, _to_whole(lambda g: self.numbers.reshape(g, before)))]
        )

    def stack(self, values: Sequence[Var], axis: int) -> Var:
        """Put equal shapes side by side along a new axis (negative, in the result)."""
        shape = values[0].shape
        at = len(shape) + 1 + axis
        return self.concatenate([self.reshape(v, (*shape[:at], 1, *shape[at:])) for v in values], axis)

    # --- what is not arithmetic

    def stop(self, a: Var) -> Var:
        """A constant to the derivative both ways: no cotangent passes, and a dual number loses its tangent."""
        return Var(self, self.numbers.stopped(a.value))

    def splice(self, value: Var, gradient: Var) -> Var:
        if value.shape != gradient.shape:
            raise ValueError(f"splice of a value of shape {value.shape} and a gradient of shape {gradient.shape}")
        spliced = self.numbers.spliced(value.value, gradient.value)
        return Var(self, spliced, [(gradient, _to_whole(lambda g: g))])

    def mark(self, name: str, a: Var, /, **where: int | str) -> Var:
        if name in self.edits:
            a = self.edits[name](self, a, where)
        else:  # a variable of its own, so that its cotangent is that of this point
            a = Var(self, a.value, [(a, _to_whole(lambda g: g))])
        self.marks.setdefault(name, {})[tuple(sorted(where.items()))] = a
        return a

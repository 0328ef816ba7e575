"""Where a Jacobian can be other than 0, found from the equations alone, and what that spares.

The equations run over `Mask`, whose numbers say no more than "may be other than 0". Pushed forward from the
elements of `wrt` (by their place along each axis) and pulled back from those of `of`, the masks prove which entries
are exactly 0, which operations lie between the two, and which rows or columns never meet, so that they may share
a lane (Curtis, Powell and Reid, 'On the estimation of sparse Jacobian matrices', 1974): batch rows, mostly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import A, Float64
from gradassay._case import Case
from gradassay._dual import Dual, Pair
from gradassay._tape import Edit, Tape

if TYPE_CHECKING:
    from gradassay._evaluate import Block, Query

Bools = npt.NDArray[np.bool_]
Slices = tuple[slice, ...]
Integers = npt.NDArray[np.intp]

# A column that belongs to a parameter costs about this many rows: its tangent is in every step's product.
PARAMETER = 4


class Mask(Float64):
    """Numbers that may be other than 0 (True), or are proved to be exactly 0 (False)."""

    def lift(self, array: npt.ArrayLike) -> A:
        return np.asarray(np.asarray(array, dtype=np.float64)[None, None] != 0)

    def either(self, mask: npt.ArrayLike, a: A, b: A) -> A:
        return a | b

    def greater(self, a: A, b: A) -> Bools:
        return np.asarray((a | b)[0, 0])  # nobody looks: `either` takes both

    def add(self, a: A, b: A) -> A:
        return a | b

    subtract = add

    def negate(self, a: A) -> A:
        return a

    def multiply(self, a: A, b: A) -> A:
        return a & b

    def divide(self, a: A, b: A) -> A:
        return a & np.ones_like(b)

    def tanh(self, a: A) -> A:
        return a

    sqrt = tanh

    def sigmoid(self, a: A) -> A:
        return np.ones_like(a)

    exp = log = sigmoid

    def matmul(self, a: A, b: A) -> A:
        return np.asarray(np.matmul(a.astype(np.float32), b.astype(np.float32)) > 0)

    def sum(self, a: A, axes: tuple[int, ...]) -> A:
        return np.asarray(a.any(axis=axes)) if axes else a


class Pushed(Dual):
    """Masks pushed forward. Of a splice, which has one derivative forward and another in reverse, the latter counts."""

    spliced_anywhere = False

    def spliced(self, value: Pair, gradient: Pair) -> Pair:
        self.spliced_anywhere = True
        return Pair(value.primal, self._plus(value.tangent, gradient.tangent))


@dataclass(frozen=True)
class Reach:
    """How a Jacobian, or a block of one, is swept.

    Attributes:
        forward: whether columns are pushed forward, rather than rows pulled back.
        of_elements: the lane's number for each element of `of`, -1 outside the block; elements may share one.
        wrt_elements: the same of `wrt`.
        useful: positions on the tape that lie between the block's two sides.
        reached: which entries may be other than 0, of shape (*of block, *wrt block).
    """

    forward: bool
    of_elements: Integers
    wrt_elements: Integers
    useful: frozenset[int]
    reached: Bools
    of_block: Slices
    wrt_block: Slices

    @property
    def lanes(self) -> int:
        """How many lanes a sweep needs."""
        swept = self.wrt_elements if self.forward else self.of_elements
        return len(np.unique(swept[swept >= 0]))

    def source(self, order: Mapping[int, int], lanes: int) -> Integers:
        """Where each entry lies in what was swept, (lanes, *the other side's block), flattened; -1 for an exact 0."""
        rows, columns = self.of_elements[self.of_block], self.wrt_elements[self.wrt_block]
        swept, other = (columns, rows) if self.forward else (rows, columns)
        lane = np.array([order.get(e, lanes) for e in swept.ravel().tolist()], dtype=np.intp)
        place = np.arange(other.size, dtype=np.intp)
        lane, place = (place, lane) if self.forward else (lane, place)
        if self.forward:
            flat = place[None, :] * other.size + lane[:, None]
            missing = (place >= lanes)[None, :]
        else:
            flat = lane[:, None] * other.size + place[None, :]
            missing = (lane >= lanes)[:, None]
        reached = self.reached.reshape(flat.shape) & ~missing
        return np.where(reached, flat, -1)


def reach_of(case: Case, query: Query, edits: Mapping[str, Edit] | None = None) -> Reach:
    """Find the reach of a "jacobian" query, and choose the way that needs the fewer lanes.

    Raises:
        ValueError: if a block does not fit.
    """
    wrt = query.wrt[0]
    columns = block_of(query.wrt_block, case.tensors[wrt].shape, "wrt")
    masks = Pushed(Mask())
    forward, pushed = _run(case, edits, wrt, masks, _slabs(case.tensors[wrt].shape, columns))
    of_shape = pushed[query.of].shape
    rows = block_of(query.of_block, of_shape, "of")
    reached = _reached(pushed[query.of].value.tangent, rows, case.tensors[wrt].shape, columns, of_shape)
    reverse, pulled = _run(case, edits, wrt, Mask(), None)
    asked = np.zeros(of_shape, dtype=bool)
    asked[rows] = True
    useful = frozenset(
        position
        for position, cotangent in reverse.pull([(pulled[query.of], asked[None, None])])
        if cotangent.any() and _moves(forward.value_at(position))
    )
    of_axes = tuple(range(len(of_shape)))
    shared_rows = _never_meet(reached, of_axes)
    shared_columns = _never_meet(reached, tuple(range(len(of_shape), reached.ndim)))
    of_elements = _elements(of_shape, rows, shared_rows)
    wrt_elements = _elements(case.tensors[wrt].shape, columns, tuple(a - len(of_shape) for a in shared_columns))
    of_lanes, wrt_lanes = (len(np.unique(e[e >= 0])) for e in (of_elements, wrt_elements))
    dearer = PARAMETER if case.table[wrt].role == "parameter" else 1
    by_columns = wrt_lanes * dearer < of_lanes and not masks.spliced_anywhere
    return Reach(by_columns, of_elements, wrt_elements, useful, reached, rows, columns)


def block_of(block: Block, shape: tuple[int, ...], what: str) -> Slices:
    """Return a block as slices, one an axis.

    Raises:
        ValueError: unless it is empty, which means the whole, or has 0 <= start <= stop <= size for every axis.
    """
    if not block:
        return (slice(None),) * len(shape)
    fits = len(block) == len(shape) and all(
        0 <= start <= stop <= size for (start, stop), size in zip(block, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{what}_block={block!r} of an array of shape {shape}: give one (start, stop) for each of its axes, "
            "with 0 <= start <= stop <= size, or nothing for the whole"
        )
    return tuple(slice(start, stop) for start, stop in block)


def leaves_of(case: Case, tape: Tape, leaf: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Put a case's tensors on a tape, in their order: integers as they are, the others as `leaf` makes them."""
    return {
        name: array if case.table[name].role == "index" else leaf(name, array.astype(np.float64))
        for name, array in case.tensors.items()
    }


def _run(
    case: Case, edits: Mapping[str, Edit] | None, wrt: str, numbers: Any, tangent: Bools | None
) -> tuple[Tape, Mapping[str, Any]]:
    tape = Tape(numbers, edits)

    def leaf(name: str, array: npt.NDArray[np.float64]) -> Any:
        # The variable itself counts as other than 0 wherever it is 0: it is where the derivative starts.
        value = numbers.lift(array)
        if name != wrt:
            return tape.constant_value(value)
        return tape.leaf(value) if tangent is None else tape.constant_value(value._replace(tangent=tangent))

    return tape, case.spec.equations(tape, case.config, case.call, leaves_of(case, tape, leaf))


def _moves(value: Any) -> bool:
    return value.tangent is not None and bool(value.tangent.any())


def _slabs(shape: tuple[int, ...], block: Slices) -> Bools:
    """Tangents of one lane for each place along each axis, within a block: shape (1, sum of shape, *shape)."""
    inside = np.zeros(shape, dtype=bool)
    inside[block] = True
    lanes = []
    for axis, size in enumerate(shape):
        along = np.arange(size).reshape((-1, *(1,) * len(shape)))
        place = np.arange(size).reshape([size if a == axis else 1 for a in range(len(shape))])
        lanes.append((along == place) & inside)
    return np.concatenate(lanes)[None] if lanes else inside[None, None]


def _reached(slabs: Bools | None, rows: Slices, shape: tuple[int, ...], columns: Slices, of: tuple[int, ...]) -> Bools:
    """Which entries of the block may be other than 0: those whose place is reached along every axis of `wrt`."""
    of_sizes = np.zeros(of, dtype=bool)[rows].shape
    sizes = np.zeros(shape, dtype=bool)[columns].shape
    if slabs is None:
        return np.zeros(of_sizes + sizes, dtype=bool)
    found: Bools = np.ones(of_sizes + sizes, dtype=bool)
    if not shape:
        return np.asarray(found & slabs[0, 0][rows])
    start = 0
    for axis, size in enumerate(shape):
        lanes = slabs[0, start : start + size][columns[axis]]
        kept = np.moveaxis(lanes[(slice(None), *rows)], 0, -1)
        found &= kept.reshape(of_sizes + tuple(n if a == axis else 1 for a, n in enumerate(sizes)))
        start += size
    return found


def _never_meet(reached: Bools, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which no two entries of a row, or column, may both be other than 0."""
    shared: tuple[int, ...] = ()
    for axis in axes:
        if reached.shape[axis] > 1 and reached.size and reached.sum(axis=(*shared, axis)).max() <= 1:
            shared += (axis,)
    return shared


def _elements(shape: tuple[int, ...], block: Slices, shared: tuple[int, ...]) -> Integers:
    """Number the elements of a block, equal along shared axes; -1 outside."""
    grid = np.arange(prod(shape), dtype=np.intp).reshape(shape)
    numbers = grid[block]
    for axis in shared:
        numbers = np.broadcast_to(np.take(numbers, [0], axis=axis), numbers.shape)
    out = np.full(shape, -1, dtype=np.intp)
    out[block] = numbers
    return out

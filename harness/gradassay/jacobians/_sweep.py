"""A block by sweeps over one call: cotangents pulled back for its rows, or tangents pushed forward for its columns.

Where rows are independent, one direction serves all of them at once; and where a backend cannot take many directions
in one call, the call may hold every row many times instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from gradassay._spec import Array, Tensor, Tensors
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece
from gradassay.jacobians._side import Side, alone


def grid(side: Side, row: int | None) -> tuple[int, ...]:
    """Return the sizes of the chosen part without its axis of rows."""
    return tuple(size for axis, size in enumerate(side.block) if axis != row)


def hot(side: Side, row: int | None, start: int, stop: int, dtype: np.dtype[np.generic]) -> Array:
    """Return unit directions (stop - start, *shape): the elements from `start` to `stop`, one each, in every row."""
    rest = [axis for axis in range(len(side.shape)) if axis != row]
    spots = np.unravel_index(np.arange(start, stop), grid(side, row)) if rest else ()
    index: list[Array | slice] = [np.arange(stop - start), *[slice(None)] * len(side.shape)]
    for axis, spot in zip(rest, spots, strict=True):
        index[1 + axis] = np.asarray(side.positions[axis])[spot]
    found = np.zeros((stop - start, *side.shape), dtype)
    found[tuple(index)] = 1
    return found


def reverse(linear: Linear, piece: Piece, inputs: Tensors, block: Array, lanes: int, repeat: bool) -> Array:
    """Return the block by rows, `lanes` cotangents at a time; `repeat`: in a call that holds every row as often."""
    of, wrt = piece.of, piece.wrt
    row, other = rows_shared(piece)
    total = prod(grid(of, row))
    for start, stop in chunks(total, lanes):
        seeds = hot(of, row, start, stop, block.dtype)
        if repeat:
            found = repeated(linear, piece, inputs, seeds)
        else:
            found = linear.pull(inputs, {of.name: seeds}, [wrt.name])[wrt.name]
        found = wrt.pick(found, 1)
        if stop - start == total and _is_all(block, of, wrt, found):
            return found.reshape(block.shape)
        put(block, piece, of, wrt, row, other, start, stop, found)
    return block


def forward(linear: Linear, piece: Piece, inputs: Tensors, block: Array, lanes: int) -> Array:
    """Return the block by columns, `lanes` tangents at a time."""
    of, wrt = piece.of, piece.wrt
    row, other = rows_shared(piece)
    turned = np.moveaxis(block, range(len(of.block), block.ndim), range(len(wrt.shape)))
    total = prod(grid(wrt, other))
    for start, stop in chunks(total, lanes):
        seeds = hot(wrt, other, start, stop, block.dtype)
        found = of.pick(linear.push(inputs, {wrt.name: seeds}, [of.name])[of.name], 1)
        if stop - start == total and _is_all(block, of, wrt, found):
            return np.moveaxis(found, 0, -1).reshape(block.shape)
        put(turned, piece, wrt, of, other, row, start, stop, found)
    return block


def _is_all(block: Array, of: Side, wrt: Side, found: Array) -> bool:
    """Whether one answer is the block itself, in its order: then it need not be copied."""
    in_order = all(at == tuple(range(size)) for side in (of, wrt) for at, size in zip(side.at, side.block, strict=True))
    return in_order and found.size == block.size


def repeated(linear: Linear, piece: Piece, inputs: Tensors, seeds: Array) -> Array:
    """Return J' v for K cotangents (K, *output) by one VJP in a call that holds every row K times."""
    count, axis = len(seeds), piece.structure.rows
    row, other = rows_shared(piece)
    assert row is not None and other is not None  # it is a route only where both sides have rows
    many = {name: tile(array, piece.table[name], axis, count) for name, array in inputs.items()}
    along = np.moveaxis(seeds, 0, row)
    along = along.reshape(*along.shape[:row], count * along.shape[row + 1], *along.shape[row + 2 :])
    found = linear.pull(many, {piece.of.name: along[None]}, [piece.wrt.name])[piece.wrt.name][0]
    found = found.reshape(*found.shape[:other], count, -1, *found.shape[other + 1 :])
    return np.moveaxis(found, other, 0)


def tile(array: Array, tensor: Tensor, axis: str, count: int) -> Array:
    """Return a tensor with all its rows `count` times, one after the other."""
    where = alone(tensor, axis)
    if where is None or count == 1:
        return array
    return np.tile(array, (*(1,) * where, count, *(1,) * (array.ndim - where - 1)))


def rows_shared(piece: Piece) -> tuple[int | None, int | None]:
    """Return the axis of rows of both sides, where one direction can serve all rows."""
    if not piece.folded:
        return None, None
    return piece.of.axis(piece.structure.rows), piece.wrt.axis(piece.structure.rows)


def chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, max(size, 1)):
        yield start, min(start + max(size, 1), total)


def put(
    block: Array,
    piece: Piece,
    swept: Side,
    found_in: Side,
    row: int | None,
    other: int | None,
    start: int,
    stop: int,
    found: Array,
) -> None:
    """Write answers (K, *found_in.block) to where the elements from `start` to `stop` of the side swept stand."""
    rest = [axis for axis in range(len(swept.block)) if axis != row]
    index: list[Array] | None = None  # all of them, in order: no index is faster than one
    if not rest or (start, stop) != (0, prod(grid(swept, row))) or not _sliced(place(swept, row)):
        spots = np.unravel_index(np.arange(start, stop), grid(swept, row)) if rest else ()
        index = [np.asarray(swept.at[axis])[spot] for axis, spot in zip(rest, spots, strict=True)]
    if row is None or other is None:
        _write(block, index, swept, found_in, found, None, None)
        return
    for k, (here, there) in enumerate(zip(swept.at[row], found_in.at[other], strict=True)):
        one = block[(slice(None),) * row + (here,)]
        one = one[(slice(None),) * (len(rest) + other) + (there,)]
        _write(one, index, swept, found_in, found[(slice(None),) * (1 + other) + (k,)], row, other)


def place(side: Side, without: int | None = None) -> tuple[Array | slice, ...]:
    """Return an index of where a side's elements stand in the block: slices where it can be."""
    ats = [at for axis, at in enumerate(side.at) if axis != without]
    if all(at == tuple(range(at[0], at[0] + len(at))) for at in ats if at):
        return tuple(slice(at[0], at[0] + len(at)) if at else slice(0) for at in ats)
    return np.ix_(*ats)


def _sliced(where: tuple[Array | slice, ...]) -> bool:
    return all(isinstance(part, slice) for part in where)


def _write(
    block: Array, index: list[Array] | None, swept: Side, side: Side, found: Array, row: int | None, other: int | None
) -> None:
    where = place(side, other)
    if index is None and _sliced(where):
        block[(*place(swept, row), *where)] = found.reshape(*grid(swept, row), *found.shape[1:])
        return
    if index is None:
        at = place(swept, row)
        index = [part.ravel() for part in np.meshgrid(*(np.r_[part] for part in at), indexing="ij")]
    if not index:  # of no axes, or of rows alone: there is one direction
        block[where] = found[0]
        return
    if _sliced(where):
        block[(*index, *where)] = found
        return
    rank = len(where)
    mesh = [part.reshape(-1, *(1,) * rank) for part in index]
    block[(*mesh, *(part[None] for part in where if not isinstance(part, slice)))] = found

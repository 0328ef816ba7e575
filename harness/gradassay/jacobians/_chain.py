"""A causal block by the chain rule over the states between stretches of steps.

A call that can be taken up again where another ended is a chain of stretches, each a function of its own inputs and of
the state before it. Their Jacobians are small; all stretches of one length are rows of one call; and products of
matrices put them together. What each step costs no longer grows with how many steps come after it.

With S_i the state before stretch i, and x_i, y_i what goes in and comes out of it:

    dy_i/dx_j = dy_i/dS_i (dS_i/dS_{i-1}) ... (dS_{j+2}/dS_{j+1}) dS_{j+1}/dx_j    for j < i
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece, cut
from gradassay.jacobians._side import Side, alone
from gradassay.jacobians._sweep import hot, place, tile


@dataclass(frozen=True)
class Stretches:
    """The Jacobians of all stretches of one length, each (stretches, rows, what comes out, what goes in).

    What comes out is the output `of` of these steps, if it has steps, then the state after them; what goes in is `wrt`
    of these steps, if it has any, then the state before them. `own` of each are the output's, or input's.
    """

    first: int  # step
    length: int
    matrix: Array
    own_out: int
    own_in: int


def applies(piece: Piece) -> bool:
    """Say whether a piece is such a chain, of two steps or more."""
    structure = piece.structure
    if not (structure.rows and structure.causal and structure.carried and piece.steps > 1 and piece.folded):
        return False
    stepped = piece.of.axis(structure.causal) is not None
    carried = piece.of.name in structure.carried
    inward = piece.wrt.axis(structure.causal) is not None or (
        piece.wrt.name in structure.carried.values() and piece.begins
    )
    given = [tensor for tensor in piece.table.values() if tensor.role not in ("parameter", "output")]
    batched = all(alone(tensor, structure.rows) is not None for tensor in given)
    return (stepped or carried) and inward and batched


def states(linear: Linear, piece: Piece, inputs: Tensors, bounds: Sequence[int]) -> list[dict[str, Array]]:
    """Return the state before each stretch, by the names of what it is carried in by."""
    carried = piece.structure.carried
    found: list[dict[str, Array]] = []
    now = {name: inputs[name] for name in carried.values() if name in inputs}
    for start, stop in pairwise(bounds):
        if stop == bounds[-1] and len(now) == len(carried):
            found.append(now)  # what comes after the last is not needed
            break
        after = linear.forward(cut(piece, inputs, start, stop) | now)
        # A state that is not given is zero: so the spec's own states say.
        found.append({name: now.get(name, np.zeros_like(after[output])) for output, name in carried.items()})
        now = {name: np.asarray(after[output]) for output, name in carried.items()}
    return found


def stretches(
    linear: Linear, piece: Piece, inputs: Tensors, length: int, repeat: bool, stepped: tuple[str | None, str | None]
) -> list[Stretches]:
    """Differentiate every stretch of `length` steps, and the rest; `stepped` are the output and input with steps."""
    bounds = [*range(0, piece.steps, length), piece.steps]
    before = states(linear, piece, inputs, bounds)
    full = piece.steps // length
    parts = [(0, full, length)] if full else []
    if piece.steps % length:
        parts.append((full, full + 1, piece.steps % length))
    found = []
    for first, last, size in parts:
        given: dict[str, Array] = {}
        for name in {**inputs, **before[0]}:
            axis = alone(piece.table[name], piece.structure.rows)
            assert axis is not None  # `applies` has looked
            one = [
                before[i][name]
                if name in before[i]
                else cut(piece, {name: inputs[name]}, bounds[i], bounds[i + 1])[name]
                for i in range(first, last)
            ]
            given[name] = np.concatenate(one, axis=axis)
        found.append(_differentiate(linear, piece, given, first * length, size, last - first, repeat, stepped))
    return found


def _differentiate(
    linear: Linear,
    piece: Piece,
    given: Tensors,
    first: int,
    size: int,
    count: int,
    repeat: bool,
    stepped: tuple[str | None, str | None],
) -> Stretches:
    """Pull unit cotangents of everything that comes out back through all stretches at once."""
    structure, (of, wrt) = piece.structure, stepped
    out = ([of] if of else []) + list(structure.carried)
    into = ([wrt] if wrt else []) + list(structure.carried.values())
    dtype = next(iter(given.values())).dtype
    sides = {name: _all(piece, name, size, count) for name in (*out, *into)}
    sizes = {name: prod(side.block) // side.block[_row(piece, side)] for name, side in sides.items()}
    total = sum(sizes[name] for name in out)
    seeds = {name: np.zeros((total, *sides[name].shape), dtype) for name in out}
    at = 0
    for name in out:
        seeds[name][at : at + sizes[name]] = hot(sides[name], _row(piece, sides[name]), 0, sizes[name], dtype)
        at += sizes[name]
    found = _by_rows(linear, piece, given, seeds, into, sides) if repeat else linear.pull(given, seeds, into)
    columns = []
    for name in into:
        row, axis = _row(piece, sides[name]), sides[name].axis(structure.causal)
        moved = np.moveaxis(found[name], 1 + row, 0)  # rows, lanes, the rest
        if axis is not None:  # columns of one stretch follow those of another: so steps come first
            moved = np.moveaxis(moved, 2 + axis - (axis > row), 2)
        columns.append(moved.reshape(count, piece.rows, total, sizes[name]))
    matrix = np.concatenate(columns, axis=-1)
    return Stretches(first, size, matrix, sizes[of] if of else 0, sizes[wrt] if wrt else 0)


def _by_rows(
    linear: Linear, piece: Piece, given: Tensors, seeds: Tensors, into: Sequence[str], sides: dict[str, Side]
) -> dict[str, Array]:
    """As `linear.pull` of many cotangents, by one in a call that holds every row as often."""
    count = len(next(iter(seeds.values())))
    many = {name: tile(array, piece.table[name], piece.structure.rows, count) for name, array in given.items()}
    along = {}
    for name, array in seeds.items():
        row = _row(piece, sides[name])
        moved = np.moveaxis(array, 0, row)
        along[name] = moved.reshape(*moved.shape[:row], -1, *moved.shape[row + 2 :])[None]
    found = {}
    for name, array in linear.pull(many, along, into).items():
        row = _row(piece, sides[name])
        whole = array[0].reshape(*array.shape[1 : 1 + row], count, -1, *array.shape[2 + row :])
        found[name] = np.moveaxis(whole, row, 0)
    return found


def chain(linear: Linear, piece: Piece, inputs: Tensors, block: Array, length: int, repeat: bool) -> Array:
    """Fill the block, and return it, by the chain rule over stretches of `length` steps."""
    structure, of, wrt = piece.structure, piece.of, piece.wrt
    stepped_of, stepped_wrt = of.axis(structure.causal), wrt.axis(structure.causal)
    names = of.name if stepped_of is not None else None, wrt.name if stepped_wrt is not None else None
    wide = np.dtype(np.float32) if block.dtype.itemsize < 4 else block.dtype
    # d (state now) / d (what is differentiated by), columns growing with the steps seen.
    carry: Any = None
    for part in stretches(linear, piece, inputs, length, repeat, names):
        for i, matrix in enumerate(part.matrix.astype(wide, copy=False)):
            start = part.first + i * part.length
            if carry is None:
                carry = _begin(piece, part, wide)
            out, into = part.own_out, part.own_in
            after = matrix[:, :, into:] @ carry
            own = matrix[:, :, :into]
            if stepped_of is not None:
                rows = np.concatenate([after[:, :out], own[:, :out]], axis=-1)
                _write(block, piece, start, part.length, rows)
            carry = np.concatenate([after[:, out:], own[:, out:]], axis=-1)
    if stepped_of is None:
        _finish(block, piece, carry)
    return block


def _begin(piece: Piece, part: Stretches, dtype: np.dtype[Any]) -> Array:
    """Return d (first state) / d (wrt): nothing yet of an input with steps, and a selection of a state."""
    size = part.matrix.shape[-1] - part.own_in
    if part.own_in:
        return np.zeros((piece.rows, size, 0), dtype)
    at, found = 0, np.zeros((piece.rows, size, _width(piece, piece.wrt)), dtype)
    for name in piece.structure.carried.values():
        width = _width(piece, _all(piece, name, 0, 1))
        if name == piece.wrt.name:
            found[:, at : at + width] = np.eye(width, dtype=dtype)
        at += width
    return found


def _write(block: Array, piece: Piece, start: int, length: int, rows: Array) -> None:
    """Write rows (batch, steps of this stretch * rest, columns so far) to where they stand in the block."""
    axis = piece.of.axis(piece.structure.causal)
    assert axis is not None  # only an output with steps is written stretch by stretch
    of = piece.of.part(axis, range(start, start + length), start, length)
    if of.size:
        _scatter(block, piece, of, rows, start + length)


def _finish(block: Array, piece: Piece, carry: Array) -> None:
    at = 0
    for name in piece.structure.carried:
        width = _width(piece, _all(piece, name, 0, 1))
        if name == piece.of.name:
            _scatter(block, piece, piece.of, carry[:, at : at + width], piece.steps)
        at += width


def _scatter(block: Array, piece: Piece, of: Side, rows: Array, seen: int) -> None:
    """Write a matrix (rows, everything of `of`, everything of `wrt` up to step `seen`): what was asked for of it."""
    structure, wrt = piece.structure, piece.wrt
    axis = wrt.axis(structure.causal)
    if axis is not None:
        wrt = wrt.part(axis, range(seen), 0, seen)
    if not wrt.size:
        return
    row, other = _row(piece, of), _row(piece, wrt)
    for k, (here, there) in enumerate(zip(of.at[row], wrt.at[other], strict=True)):
        one = block[(slice(None),) * row + (here,)]
        one = one[(slice(None),) * (len(of.block) - 1 + other) + (there,)]
        answer = rows[k].reshape(*_others(of.shape, row), *_by_steps(wrt, axis, other))
        if axis is not None:  # columns come step by step
            moved = axis - (axis > other)
            answer = np.moveaxis(answer, len(of.shape) - 1, len(of.shape) - 1 + moved)
        for a, found in enumerate((*_others(of.positions, row), *_others(wrt.positions, other))):
            if found != tuple(range(answer.shape[a])):
                answer = np.take(answer, found, axis=a)
        where = (*place(of, row), *place(wrt, other))
        if all(isinstance(part, slice) for part in where):
            one[where] = answer
        else:
            one[np.ix_(*_others(of.at, row), *_others(wrt.at, other))] = answer


def _by_steps(wrt: Side, axis: int | None, row: int) -> tuple[int, ...]:
    """Return the shape of one row's columns as they come: stretch after stretch, so with the steps in front."""
    sizes = wrt.shape
    if axis is None:
        return _others(sizes, row)
    return (sizes[axis], *(size for a, size in enumerate(sizes) if a not in (axis, row)))


def _others(sequence: tuple[Any, ...], without: int) -> tuple[Any, ...]:
    return sequence[:without] + sequence[without + 1 :]


def _row(piece: Piece, side: Side) -> int:
    axis = side.axis(piece.structure.rows)
    assert axis is not None  # every tensor of a chain has rows
    return axis


def _width(piece: Piece, side: Side) -> int:
    return prod(_others(side.shape, _row(piece, side)))


def _all(piece: Piece, name: str, size: int, count: int) -> Side:
    """Return everything of a tensor in a call of `size` steps and `count` times the rows."""
    tensor = piece.table[name]
    shape = list(tensor.shape)
    row, axis = alone(tensor, piece.structure.rows), alone(tensor, piece.structure.causal)
    assert row is not None  # as above
    shape[row] = piece.rows * count
    if axis is not None:
        shape[axis] = size
    every = tuple(tuple(range(n)) for n in shape)
    return Side(tensor, tuple(shape), every, every)


def sizes(piece: Piece) -> tuple[int, int, int]:
    """Return how many numbers a row has of output and input in one step (0 where they have none), and of state."""
    causal = piece.structure.causal
    out = _width(piece, _all(piece, piece.of.name, 1, 1)) if piece.of.axis(causal) is not None else 0
    into = _width(piece, _all(piece, piece.wrt.name, 1, 1)) if piece.wrt.axis(causal) is not None else 0
    state = sum(_width(piece, _all(piece, name, 1, 1)) for name in piece.structure.carried)
    return out, into, state

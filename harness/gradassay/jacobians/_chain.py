"""A causal block by the chain rule over the states between stretches of steps.

A call that can be taken up again where another ended is a chain of stretches, each a function of its own inputs and of
the state before it. Their Jacobians are small; all stretches of one length are rows of one call; and products of
matrices put them together. What each step costs no longer grows with how many steps come after it.

With S_i the state before stretch i, and x_i, y_i what goes in and comes out of it:

    dy_i/dx_j = dy_i/dS_i (dS_i/dS_{i-1}) ... (dS_{j+2}/dS_{j+1}) dS_{j+1}/dx_j    for j < i
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece
from gradassay.jacobians._side import Side
from gradassay.jacobians._stretches import Stretches, everything, others, row_of, stretches, width
from gradassay.jacobians._sweep import place


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
    at, found = 0, np.zeros((piece.rows, size, width(piece, piece.wrt)), dtype)
    for name in piece.structure.carried.values():
        wide = width(piece, everything(piece, name, 0, 1))
        if name == piece.wrt.name:
            found[:, at : at + wide] = np.eye(wide, dtype=dtype)
        at += wide
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
        wide = width(piece, everything(piece, name, 0, 1))
        if name == piece.of.name:
            _scatter(block, piece, piece.of, carry[:, at : at + wide], piece.steps)
        at += wide


def _scatter(block: Array, piece: Piece, of: Side, rows: Array, seen: int) -> None:
    """Write a matrix (rows, everything of `of`, everything of `wrt` up to step `seen`): what was asked for of it."""
    structure, wrt = piece.structure, piece.wrt
    axis = wrt.axis(structure.causal)
    if axis is not None:
        wrt = wrt.part(axis, range(seen), 0, seen)
    if not wrt.size:
        return
    row, other = row_of(piece, of), row_of(piece, wrt)
    for k, (here, there) in enumerate(zip(of.at[row], wrt.at[other], strict=True)):
        one = block[(slice(None),) * row + (here,)]
        one = one[(slice(None),) * (len(of.block) - 1 + other) + (there,)]
        answer = rows[k].reshape(*others(of.shape, row), *_by_steps(wrt, axis, other))
        if axis is not None:  # columns come step by step
            moved = axis - (axis > other)
            answer = np.moveaxis(answer, len(of.shape) - 1, len(of.shape) - 1 + moved)
        for a, found in enumerate((*others(of.positions, row), *others(wrt.positions, other))):
            if found != tuple(range(answer.shape[a])):
                answer = np.take(answer, found, axis=a)
        where = (*place(of, row), *place(wrt, other))
        if all(isinstance(part, slice) for part in where):
            one[where] = answer
        else:
            one[np.ix_(*others(of.at, row), *others(wrt.at, other))] = answer


def _by_steps(wrt: Side, axis: int | None, row: int) -> tuple[int, ...]:
    """Return the shape of one row's columns as they come: stretch after stretch, so with the steps in front."""
    sizes = wrt.shape
    if axis is None:
        return others(sizes, row)
    return (sizes[axis], *(size for a, size in enumerate(sizes) if a not in (axis, row)))

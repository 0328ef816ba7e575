"""The Jacobians of stretches of a causal call: each by its own inputs and the state before it, all in one call."""

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
from gradassay.jacobians._sweep import hot, tile


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
    sides = {name: everything(piece, name, size, count) for name in (*out, *into)}
    sizes = {name: prod(side.block) // side.block[row_of(piece, side)] for name, side in sides.items()}
    total = sum(sizes[name] for name in out)
    seeds = {name: np.zeros((total, *sides[name].shape), dtype) for name in out}
    at = 0
    for name in out:
        seeds[name][at : at + sizes[name]] = hot(sides[name], row_of(piece, sides[name]), 0, sizes[name], dtype)
        at += sizes[name]
    found = _by_rows(linear, piece, given, seeds, into, sides) if repeat else linear.pull(given, seeds, into)
    columns = []
    for name in into:
        row, axis = row_of(piece, sides[name]), sides[name].axis(structure.causal)
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
        row = row_of(piece, sides[name])
        moved = np.moveaxis(array, 0, row)
        along[name] = moved.reshape(*moved.shape[:row], -1, *moved.shape[row + 2 :])[None]
    found = {}
    for name, array in linear.pull(many, along, into).items():
        row = row_of(piece, sides[name])
        whole = array[0].reshape(*array.shape[1 : 1 + row], count, -1, *array.shape[2 + row :])
        found[name] = np.moveaxis(whole, row, 0)
    return found


def others(sequence: tuple[Any, ...], without: int) -> tuple[Any, ...]:
    return sequence[:without] + sequence[without + 1 :]


def row_of(piece: Piece, side: Side) -> int:
    axis = side.axis(piece.structure.rows)
    assert axis is not None  # every tensor of a chain has rows
    return axis


def width(piece: Piece, side: Side) -> int:
    return prod(others(side.shape, row_of(piece, side)))


def everything(piece: Piece, name: str, size: int, count: int) -> Side:
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
    out = width(piece, everything(piece, piece.of.name, 1, 1)) if piece.of.axis(causal) is not None else 0
    into = width(piece, everything(piece, piece.wrt.name, 1, 1)) if piece.wrt.axis(causal) is not None else 0
    state = sum(width(piece, everything(piece, name, 1, 1)) for name in piece.structure.carried)
    return out, into, state

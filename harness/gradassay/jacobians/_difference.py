"""Finite differences as a declared estimator, for what has a forward pass alone: every entry with its own error bar.

Central differences at a step and at half of it. The step balances truncation and rounding: for a function that
varies over the size s of its argument, truncation is about h^2/s^2 and rounding about u s/h, so h = (3 u)^(1/3) s.
Source: Gill, Murray and Wright, 'Practical optimization', 1981, section 8.6. The half is the value. Its truncation is a
third of how far the two are apart; the whole of it is taken. Its rounding is that of two outputs, by their noise scale.
"""

from __future__ import annotations

from math import prod

import numpy as np

from gradassay._limits import PRECISIONS
from gradassay._oracle import Oracle, Query
from gradassay._spec import Array, Tensors
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece, inputs_of
from gradassay.jacobians._side import alone
from gradassay.jacobians._source import Source
from gradassay.jacobians._sweep import chunks, grid, hot, put, rows_shared, tile
from gradassay.jacobians._way import Way

ROUNDING = 2.0 * 2.0**0.5  # two standard deviations of the rounding error of a difference, over the step


def estimated(source: Source, linear: Linear, way: Way, budget: int) -> tuple[Array, Array, str]:
    """Return (differences, half the widths of their 95% error bars, how they were taken), of the block's shape."""
    case, of, wrt = source.case, way.of, way.wrt
    if way.piece is None:
        way.piece = way.confirm(source, linear)
    block: Array = np.zeros(of.block + wrt.block, case.tensors[wrt.name].dtype)
    error: Array = np.zeros(block.shape)
    if way.piece.nothing:
        return block, error, f"no element of {of} depends on any of {wrt}: so the spec says"
    inputs = inputs_of(way.piece, case.inputs, linear)
    at = inputs[wrt.name] if wrt.name in inputs else case.parameters[wrt.name]
    numbers = sum(array.size for array in inputs.values())
    lanes = max(1, budget // (64 * block.dtype.itemsize * max(numbers, 1)))
    h = difference(linear, way.piece, inputs, at, block, error, lanes, case.dtype)
    truth = Oracle().ask(case, Query("vjp", cotangents=case.cotangents, wrt=(wrt.name,)))[of.name]
    error += rounding(of.pick(truth.sigma), len(wrt.block), h)
    why = (
        f"there is a forward pass alone: central differences with steps {2 * h:.3g} and {h:.3g}; a 95% error bar is "
        "two noise scales of the outputs over the step, and how far the two steps are apart"
    )
    return block, error, why


def step(array: Array, dtype: str) -> float:
    """Return the step: a power of two, so that halving it is exact."""
    wide = array.astype(np.float64)
    size = float(np.sqrt(np.mean(wide * wide))) if wide.size else 1.0
    return float(2.0 ** np.round(np.log2((3 * PRECISIONS[dtype].roundoff) ** (1 / 3) * (size or 1.0))))


def difference(
    linear: Linear, piece: Piece, inputs: Tensors, at: Array, block: Array, error: Array, lanes: int, dtype: str
) -> float:
    """Fill the block with differences at the point `at`, and `error` with how far two steps are apart.

    Returns:
        The smaller step, whose differences they are.
    """
    of, wrt = piece.of, piece.wrt
    row, other = rows_shared(piece)
    h = step(at, dtype)
    views = [np.moveaxis(a, range(len(of.block), a.ndim), range(len(wrt.shape))) for a in (block, error)]
    for start, stop in chunks(prod(grid(wrt, other)), lanes):
        seeds = hot(wrt, other, start, stop, at.dtype)
        wide, narrow = (_slopes(linear, piece, inputs, at, seeds, size) for size in (h, h / 2))
        for view, found in zip(views, (narrow, np.abs(wide - narrow)), strict=True):
            put(view, piece, wrt, of, other, row, start, stop, of.pick(found, 1).astype(view.dtype))
    return h / 2


def rounding(sigma: Array, rank: int, h: float) -> Array:
    """Return the part of the error bars that is rounding, from the noise scale of the block's outputs."""
    return np.asarray(ROUNDING * sigma / (2 * h)).reshape(*sigma.shape, *(1,) * rank)


def _slopes(linear: Linear, piece: Piece, inputs: Tensors, at: Array, seeds: Array, h: float) -> Array:
    """Return (f(x + h e) - f(x - h e)) / 2h for every direction e, over the steps that were really taken."""
    name = piece.wrt.name
    ends = [(at + (sign * h) * seeds.astype(np.float64)).astype(at.dtype) for sign in (1.0, -1.0)]
    up, down = (_values(linear, piece, inputs, name, end).astype(np.float64) for end in ends)
    taken = (ends[0].astype(np.float64) - ends[1].astype(np.float64))[seeds != 0].reshape(len(seeds), -1)
    # One direction moves one element of every row; rows' steps may differ by how they are rounded.
    if taken.shape[1] == 1 or np.all(taken == taken[:1, :1]):
        return np.asarray((up - down) / taken[:, :1].reshape(-1, *(1,) * (up.ndim - 1)))
    row = piece.of.axis(piece.structure.rows)
    assert row is not None  # one direction moves several elements only where rows share it
    shape = [len(seeds), *(1,) * (up.ndim - 1)]
    shape[1 + row] = taken.shape[1]
    return np.asarray((up - down) / taken.reshape(shape))


def _values(linear: Linear, piece: Piece, inputs: Tensors, name: str, points: Array) -> Array:
    """Return the output at K points (K, *tensor): in one call that holds every row K times, if it may."""
    axis = piece.structure.rows
    if name not in inputs:
        return np.stack([linear.forward_with(inputs, {name: point})[piece.of.name] for point in points])
    if not piece.folded:
        return np.stack([linear.forward({**inputs, name: point})[piece.of.name] for point in points])
    count = len(points)
    many = {n: tile(array, piece.table[n], axis, count) for n, array in inputs.items()}
    into, out = alone(piece.table[name], axis), piece.of.axis(axis)
    assert into is not None and out is not None  # both sides have rows
    moved = np.moveaxis(points, 0, into)
    many[name] = np.ascontiguousarray(moved.reshape(*moved.shape[:into], -1, *moved.shape[into + 2 :]))
    found = linear.forward(many)[piece.of.name]
    return np.moveaxis(found.reshape(*found.shape[:out], count, -1, *found.shape[out + 1 :]), out, 0)

"""Whether a model keeps what its spec promises: asked of this very model, at this very point, before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from gradassay._limits import PRECISIONS
from gradassay._spec import Array, Tensors
from gradassay._words import Words
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece
from gradassay.jacobians._side import Side

CUTS = 16  # places at which it is asked whether anything is seen in advance
LEAST, MOST = 2.0**12, 0.125  # roundoffs that two routes to one product may differ by, and never more than an eighth


@dataclass(frozen=True)
class Masks:
    """Where a direction is not zero along an axis, and where what comes back has to be: (probes, positions)."""

    given: Array
    silent: Array


def broken_rows(linear: Linear, piece: Piece, inputs: Tensors, words: Words) -> str:
    """Say how rows depend on each other; nothing, if they do not. Every pair of rows is asked about.

    Two rows differ in a bit of their numbers: for each bit, those with it may not reach those without, nor the reverse.
    """
    axis = piece.structure.rows
    count = piece.rows
    bits = np.array([[(row >> bit) & 1 for row in range(count)] for bit in range(max(count - 1, 1).bit_length())], bool)
    both = np.concatenate([bits, ~bits])
    leak = _leak(linear, piece, inputs, axis, Masks(both, ~both), words.branch("rows"))
    return leak and f"rows are not independent here: {leak}"


def broken_causality(linear: Linear, piece: Piece, inputs: Tensors, words: Words) -> str:
    """Say how a step sees later ones; nothing, if none does at any of the places asked about."""
    axis, steps = piece.structure.causal, piece.steps
    at = np.unique(np.linspace(1, steps - 1, min(CUTS, steps - 1)).astype(int)) if steps > 1 else np.array([], int)
    early = np.arange(steps) < at[:, None]
    leak = _leak(linear, piece, inputs, axis, Masks(early, ~early), words.branch("steps")) if len(at) else ""
    return leak and f"a step sees later ones here: {leak}"


def _leak(linear: Linear, piece: Piece, inputs: Tensors, axis: str, masks: Masks, words: Words) -> str:
    out, into = piece.of.axis(axis), piece.wrt.axis(axis)
    if out is None or into is None:
        return ""
    if not linear.can("vjp"):
        return _moved(linear, piece, inputs, axis, masks)
    random = words.normal(piece.of.shape).astype(next(iter(inputs.values())).dtype)
    cotangents = np.stack([random * _spread(mask, out, random.ndim) for mask in masks.given]).astype(random.dtype)
    found = linear.pull(inputs, {piece.of.name: cotangents}, [piece.wrt.name])[piece.wrt.name]
    for gradient, mask in zip(found, masks.silent, strict=True):
        where = np.nonzero(gradient * _spread(mask, into, gradient.ndim))
        if len(where[0]):
            worst = tuple(int(part[0]) for part in where)
            value = float(gradient[worst])
            return (
                f"the gradient of {piece.wrt.name} at {axis} {worst[into]} is {value:.3g} for a cotangent of "
                f"{piece.of.name} that is 0 there{_beside(axis, piece)}; should be 0"
            )
    return ""


def _beside(axis: str, piece: Piece) -> str:
    return " and later" if axis == piece.structure.causal else ""


def _moved(linear: Linear, piece: Piece, inputs: Tensors, axis: str, masks: Masks) -> str:
    """As `_leak` for a forward pass alone: what is `silent` is changed, and what is `given` may not move by a bit."""
    into, out = piece.wrt.axis(axis), piece.of.axis(axis)
    assert into is not None and out is not None  # `_leak` has looked
    before = linear.forward(inputs)[piece.of.name]
    for seen, changed in zip(masks.given, masks.silent, strict=True):
        moved = inputs[piece.wrt.name].copy()
        moved[(slice(None),) * into + (changed,)] *= -1
        after = linear.forward({**inputs, piece.wrt.name: moved})[piece.of.name]
        if not np.array_equal(np.compress(seen, after, axis=out), np.compress(seen, before, axis=out)):
            return f"{piece.of.name} moves at {axis} {int(np.argmax(seen))} when {piece.wrt.name} changes elsewhere"
    return ""


def _spread(mask: Array, axis: int, rank: int) -> Array:
    return mask.reshape(*(1,) * axis, -1, *(1,) * (rank - axis - 1))


def disagreement(linear: Linear, of: Side, wrt: Side, inputs: Tensors, block: Array, dtype: str, words: Words) -> str:
    """Compare v' times the block with a plain VJP of v (or the block times u with a plain JVP); say how they differ.

    v is random, so that whatever the block gets wrong shows, unless it is below the rounding of a product.
    """
    flat = block.reshape(of.size, wrt.size).astype(np.float64)
    reverse = linear.can("vjp")
    if not reverse and not linear.can("jvp"):
        return ""  # nothing to compare with: differences carry an error bar of their own
    here, there = (of, wrt) if reverse else (wrt, of)
    direction = np.zeros(here.shape, block.dtype)
    index = np.ix_(*here.positions)
    order = np.ix_(*here.at)
    chosen = words.branch("product").normal(here.block).astype(block.dtype)
    direction[index] = chosen[order]
    with plainly(linear):
        if reverse:
            found = linear.pull(inputs, {of.name: direction[None]}, [wrt.name])[wrt.name][0]
        else:
            found = linear.push(inputs, {wrt.name: direction[None]}, [of.name])[of.name][0]
    want = there.pick(found).astype(np.float64).ravel()
    weights = chosen.astype(np.float64).ravel()
    got, size = (
        (weights @ flat, np.abs(weights) @ np.abs(flat))
        if reverse
        else (flat @ weights, np.abs(flat) @ np.abs(weights))
    )
    if not want.size:
        return ""
    allowed = min(LEAST * PRECISIONS[dtype].roundoff, MOST) * float(size.max()) + PRECISIONS[dtype].floor * want.size
    distance = np.abs(got - want)
    strange = ~np.isfinite(distance) & (np.isfinite(want) | np.isfinite(got))
    if not strange.any() and not (distance[np.isfinite(distance)] > allowed).any():
        return ""
    worst = int(np.argmax(np.where(np.isfinite(distance), distance, np.inf)))
    return (
        f"{'v times it' if reverse else 'it times u'} is {got[worst]:.6g} for random directions, where a plain "
        f"{'VJP' if reverse else 'JVP'} gives {want[worst]:.6g}"
    )


@contextmanager
def plainly(linear: Linear) -> Iterator[None]:
    """Within, a backend is asked one direction at a time, by the operators that every run verifies."""
    before = dict(linear.refused)
    linear.refused |= dict.fromkeys(("vjps", "jvps"), "asked one by one")
    try:
        yield
    finally:
        linear.refused.clear()
        linear.refused.update(before)


def probes(linear: Linear, piece: Piece, inputs: Tensors, words: Words) -> Iterator[tuple[str, str]]:
    """Yield (promise, how it is broken) for each promise that does not hold: "rows" or "causal"."""
    if piece.structure.rows and piece.rows > 1 and (fault := broken_rows(linear, piece, inputs, words)):
        yield "rows", fault
    if piece.structure.causal and (fault := broken_causality(linear, piece, inputs, words)):
        yield "causal", fault

"""The part of a call that a block depends on: of independent rows those asked for, of a causal call the steps between.

What is left out is zero, or has no effect: so the spec says, and a probe confirms it before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradassay._spec import Array, Spec, Tensor, Tensors
from gradassay._structure import Structure
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._side import Side, alone


@dataclass(frozen=True)
class Piece:
    """A call of which both sides are tensors.

    Attributes:
        structure: the promises that may be used on it.
        table: the tensors of the call, those that are not given included: a state to carry in may be absent.
        window: the first of its steps and the one after the last, as those of the original call are counted.
        steps: how many it has; 0 where no tensor has steps.
        chosen: the rows of the original call that it holds; None where nothing has rows.
        nothing: whether no element depends on any: the block is zero, and nobody is asked.
    """

    structure: Structure
    table: Mapping[str, Tensor]
    of: Side
    wrt: Side
    window: tuple[int, int] = (0, 0)
    steps: int = 0
    chosen: tuple[int, ...] | None = None
    nothing: bool = False

    @property
    def rows(self) -> int:
        return len(self.chosen) if self.chosen is not None else 1

    @property
    def folded(self) -> bool:
        """Whether rows can share their directions: both sides have them, and they know nothing of each other."""
        return self.of.axis(self.structure.rows) is not None and self.wrt.axis(self.structure.rows) is not None

    @property
    def begins(self) -> bool:
        """Whether it begins with the original call, and not with a state that is carried in."""
        return self.window[0] == 0


def whole(spec: Spec[Any, Any], config: Any, call: Any, of: Side, wrt: Side, structure: Structure) -> Piece:
    """Return the whole call as a piece, with promises that are used only where every tensor's axes allow it."""
    table = {tensor.name: tensor for tensor in spec.tensors(config, call)}
    rows, steps = (_size(table, axis) for axis in (structure.rows, structure.causal))
    structure = Structure(
        structure.rows if rows is not None else "",
        structure.causal if steps is not None else "",
        structure.carried if steps is not None else {},
    )
    chosen = tuple(range(rows)) if rows is not None else None
    # A state that this call is not given can still be carried in: its axes are the output's.
    absent = {state: replace(table[output], name=state, role="state") for output, state in structure.carried.items()}
    return Piece(structure, {**absent, **table}, of, wrt, (0, steps or 0), steps or 0, chosen)


def reduced(piece: Piece) -> Piece:
    """Leave out the rows and steps that the block does not depend on."""
    structure, of, wrt = piece.structure, piece.of, piece.wrt
    if structure.rows and (axis := of.axis(structure.rows)) is not None:
        chosen = of.positions[axis]
        other = wrt.axis(structure.rows)
        if other is not None:
            chosen = tuple(row for row in chosen if row in set(wrt.positions[other]))
            wrt = wrt.part(other, chosen)
            wrt = _in_order(wrt, other, chosen).renumbered(other)
        of = _in_order(of.part(axis, chosen), axis, chosen).renumbered(axis)
        piece = replace(piece, of=of, wrt=wrt, chosen=chosen, nothing=piece.nothing or not chosen)
    if not structure.causal or not piece.steps:
        return piece
    last, first = of.axis(structure.causal), wrt.axis(structure.causal)
    if last is None and of.name not in structure.carried:
        return piece  # an output that nothing is promised of
    start, stop = 0, piece.steps
    if last is not None and of.positions[last]:
        stop = max(of.positions[last]) + 1
    if first is not None and structure.carried and wrt.positions[first]:
        start = min(wrt.positions[first])
    if first is not None:
        wrt = wrt.part(first, range(start, stop), start, max(stop - start, 0))
    if last is not None:
        of = of.part(last, range(start, stop), start, max(stop - start, 0))
    nothing = piece.nothing or not of.size or not wrt.size
    return replace(piece, of=of, wrt=wrt, window=(start, stop), steps=max(stop - start, 0), nothing=nothing)


def inputs_of(piece: Piece, original: Tensors, linear: Linear) -> dict[str, Array]:
    """Return what the piece's call is given: slices of the original call, and the states where it is taken up again."""
    start, stop = piece.window
    given = rows_of(piece, original)
    if start:
        before = linear.forward(cut(piece, given, 0, start))
        given |= {state: np.asarray(before[output]) for output, state in piece.structure.carried.items()}
    return cut(piece, given, start, stop)


def rows_of(piece: Piece, given: Tensors) -> dict[str, Array]:
    """Return the tensors with the chosen rows alone."""
    if piece.chosen is None:
        return dict(given)
    found = {}
    for name, array in given.items():
        axis = alone(piece.table[name], piece.structure.rows)
        same = axis is None or piece.chosen == tuple(range(array.shape[axis]))
        found[name] = array if same or axis is None else np.take(array, piece.chosen, axis=axis)
    return found


def cut(piece: Piece, given: Tensors, start: int, stop: int) -> dict[str, Array]:
    """Return the tensors with the steps from `start` to `stop` alone."""
    found = {}
    for name, array in given.items():
        axis = alone(piece.table[name], piece.structure.causal) if piece.structure.causal else None
        if axis is None or (start, stop) == (0, array.shape[axis]):
            found[name] = array
        else:
            found[name] = np.ascontiguousarray(array[(slice(None),) * axis + (slice(start, stop),)])
    return found


def _in_order(side: Side, axis: int, wanted: tuple[int, ...]) -> Side:
    """Return the side with its positions along an axis in this order."""
    where = dict(zip(side.positions[axis], side.at[axis], strict=True))
    positions = (*side.positions[:axis], wanted, *side.positions[axis + 1 :])
    at = (*side.at[:axis], tuple(where[p] for p in wanted), *side.at[axis + 1 :])
    return replace(side, positions=positions, at=at)


def _size(table: Mapping[str, Tensor], name: str) -> int | None:
    """Return the size of an axis; None if there is none, or it is part of a product somewhere: it cannot be sliced."""
    sizes = set()
    for tensor in table.values():
        for group in tensor.axes:
            if any(axis.name == name for axis in group):
                if len(group) > 1:
                    return None
                sizes.add(group[0].size)
    return sizes.pop() if len(sizes) == 1 else None

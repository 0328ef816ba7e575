"""How far a state reaches: the Jacobian of the state after every step by the state before every other."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay._errors import UsageError
from gradassay._plugins import unknown
from gradassay._spec import Array
from gradassay._words import Words
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece, whole
from gradassay.jacobians._probe import disagreement
from gradassay.jacobians._side import Side, alone
from gradassay.jacobians._source import Source
from gradassay.jacobians._steps import StepBlocks
from gradassay.jacobians._stretches import Stretches, applies, stretches


def state_blocks(source: Source, linear: Linear, of: str, wrt: str) -> StepBlocks:
    """Return d (state `of` after step t) / d (state `wrt` before step s), for t >= s; 0 elsewhere.

    Other parts of the state before step s are held: d c_t / d c_s is through c and through h, with h_s as it was.

    Args:
        of: an output that is carried, such as "c_n": the state after a step.
        wrt: a state, such as "c0": the state before a step.

    Raises:
        UsageError: if the spec does not say how a call is taken up again, or there are no such states.
    """
    case, structure = source.case, source.structure
    if not (structure.carried and structure.causal and structure.rows):
        raise UsageError(
            f"{case.spec.name} does not say how this call is cut into steps that carry a state: "
            "it has no states to differentiate between"
        )
    for name, names, what in ((of, tuple(structure.carried), "of"), (wrt, tuple(structure.carried.values()), "wrt")):
        if name not in names:
            raise UsageError(f"{what}: {unknown('state', name, names)}")
    piece = _piece(source, of, wrt)
    if piece.steps < 1:
        raise UsageError("there are no steps, and so no states between them")
    found: list[Stretches] = stretches(linear, piece, case.inputs, 1, False, (None, None)) if applies(piece) else []
    if not found:
        raise UsageError("this call has one step: ask for its Jacobian, d c_n / d c0")
    matrices = found[0].matrix  # (steps, rows, state, state)
    sizes = [_width(piece, name) for name in structure.carried]
    rows = _part(sizes, list(structure.carried).index(of))
    columns = _part(sizes, list(structure.carried.values()).index(wrt))
    steps, batch = matrices.shape[:2]
    wide = np.float32 if matrices.dtype.itemsize < 4 else matrices.dtype
    array = np.zeros(
        (steps, steps, batch, sizes[list(structure.carried).index(of)], columns.stop - columns.start), wide
    )
    for s in range(steps):
        product: Any = np.broadcast_to(np.eye(sum(sizes), dtype=wide), matrices.shape[1:])[:, :, columns]
        for t in range(s, steps):
            product = matrices[t].astype(wide, copy=False) @ product
            array[t, s] = product[:, rows]
    _compare(source, linear, of, wrt, array[-1, 0])
    every = tuple(range(steps))
    return StepBlocks(array, f"{of} after", f"{wrt} before", every, every)


def _compare(source: Source, linear: Linear, of: str, wrt: str, product: Array) -> None:
    """Hold the product over all steps against one plain VJP through the whole call, where that is given the state.

    Raises:
        UsageError: if they differ.
    """
    if wrt not in source.case.inputs:
        return
    sides = [Side.of(name, source.case.table, (name,), "of") for name in (of, wrt)]
    row, other = (side.axis(source.structure.rows) for side in sides)
    assert row is not None and other is not None  # `applies` has looked
    block = np.zeros((*sides[0].block, *sides[1].block), product.dtype)
    for k, matrix in enumerate(product):
        index = (slice(None),) * row + (k,), (slice(None),) * other + (k,)
        one = block[index[0]][(slice(None),) * (len(sides[0].block) - 1) + index[1]]
        one[...] = matrix.reshape(one.shape)
    words = Words(0, "states")
    if fault := disagreement(linear, sides[0], sides[1], source.case.inputs, block, source.case.dtype, words):
        raise UsageError(f"the states between steps of {source.name} are not what it carries on: {fault}")


def _piece(source: Source, of: str, wrt: str) -> Piece:
    """Return the whole call with everything of both states on its sides, though it may not be given the second."""
    case = source.case
    table: dict[str, Any] = dict(case.table)
    output = next(out for out, state in source.structure.carried.items() if state == wrt)
    sides = [Side.of(name, table, (name,), "of") for name in (of, output)]
    piece = whole(case.spec, case.config, case.call, sides[0], sides[1], source.structure)
    tensor = piece.table[wrt]
    every = tuple(tuple(range(size)) for size in tensor.shape)
    return Piece(
        piece.structure,
        piece.table,
        piece.of,
        Side(tensor, tensor.shape, every, every),
        piece.window,
        piece.steps,
        piece.chosen,
    )


def _width(piece: Piece, name: str) -> int:
    tensor = piece.table[name]
    row = alone(tensor, piece.structure.rows)
    return int(np.prod([size for axis, size in enumerate(tensor.shape) if axis != row], dtype=np.int64))


def _part(sizes: list[int], number: int) -> slice:
    start = sum(sizes[:number])
    return slice(start, start + sizes[number])

"""Cases made of a case, whose answers follow from its own: in another order, in parts, with other data in places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gradassay._spec import Array, Tensor, Tensors
from gradassay_lstm._config import LSTM, Call

if TYPE_CHECKING:
    from gradassay._case import Case

Orders = Mapping[str, Sequence[int]]  # positions to take, by the name of an axis
Move = Callable[[str, Array], Array]  # an array by the name of its tensor, to where its elements are in another case


def made(
    case: Case,
    what: str,
    tensors: Tensors,
    cotangents: Tensors | None = None,
    *,
    call: Call | None = None,
    config: LSTM | None = None,
) -> Case:
    """Return a case of these tensors, in the order of the spec's table; its name says `what` was made of which."""
    template = replace(
        case.template,
        name=f"{case.template.name}-{what}",
        config=case.config if config is None else config,
        call=case.call if call is None else call,
        ask={},
    )
    seen = case.cotangents if cotangents is None else cotangents
    other = replace(case, template=template, tensors={}, cotangents=seen, tangents={})
    return replace(other, tensors={name: tensors[name] for name in other.table if name in tensors})


def carried(case: Case) -> dict[str, str]:
    """Name the final states of a case's model, each with the initial state that it becomes: a GRU has h alone."""
    return {final: initial for final, initial in (("h_n", "h0"), ("c_n", "c0")) if final in case.table}


def lengths_of(case: Case) -> list[int]:
    """Return each row's length, also where none were given."""
    return [case.call.steps] * case.call.batch if case.call.lengths is None else list(case.call.lengths)


def axes(tensor: Tensor) -> list[str]:
    """Name every axis of a tensor, those that share a dimension too."""
    return [axis.name for group in tensor.axes for axis in group]


def take(tensor: Tensor, array: Array, orders: Orders) -> Array:
    """Take these positions along the axes that have them: all in another order, or some."""
    wide = array.reshape([axis.size for group in tensor.axes for axis in group])
    for at, name in enumerate(axes(tensor)):
        if name in orders:
            wide = wide[(slice(None),) * at + (np.array(orders[name], dtype=np.int64),)]
    sizes = [[len(orders.get(axis.name, range(axis.size))) for axis in group] for group in tensor.axes]
    # Not ascontiguousarray: a number, such as a loss, would get an axis.
    return np.array(wide.reshape([prod(group) for group in sizes]), order="C")


def taking(case: Case, orders: Orders) -> Move:
    return lambda name, array: take(case.table[name], array, orders)


def moved(case: Case, arrays: Mapping[str, Array | None], move: Move) -> dict[str, Any]:
    """Move every array that has the shape of its tensor; what has not stays as it is, for others to tell."""
    return {
        name: move(name, array) if array is not None and array.shape == case.table[name].shape else array
        for name, array in arrays.items()
        if name in case.table
    }


def rows(case: Case, chosen: Sequence[int], what: str) -> Case:
    """Return some rows of a case, or all in another order, as a call of their own."""
    lengths = None if case.call.lengths is None else tuple(case.call.lengths[row] for row in chosen)
    call = msgspec.structs.replace(case.call, batch=len(chosen), lengths=lengths)
    move = taking(case, {"row": chosen})
    return made(case, what, moved(case, case.tensors, move), moved(case, case.cotangents, move), call=call)


def alone(case: Case, row: int) -> Case:
    """Return one row as a call of its own, as many steps long as it is, with no lengths."""
    one = rows(case, [row], f"row-{row}-alone")
    steps = lengths_of(case)[row]
    move = taking(one, {"step": range(steps)})
    tensors = {name: array for name, array in moved(one, one.tensors, move).items() if name != "lengths"}
    call = msgspec.structs.replace(one.call, steps=steps, lengths=None)
    return made(case, f"row-{row}-alone", tensors, moved(one, one.cotangents, move), call=call)


def where(tensor: Tensor, place: Callable[..., Array], *names: str) -> Array:
    """Return a mask of a tensor's shape: `place` of the positions along the named axes, as arrays that broadcast.

    A tensor without one of these axes has no such place.
    """
    sizes = [axis.size for group in tensor.axes for axis in group]
    there = axes(tensor)
    if not set(names) <= set(there):
        return np.zeros(tensor.shape, dtype=np.bool_)
    grid = np.meshgrid(*[np.arange(size) for size in sizes], indexing="ij", sparse=True)
    mask = place(*(grid[there.index(name)] for name in names))
    return np.broadcast_to(mask, sizes).reshape(tensor.shape)


def padding(case: Case, tensor: Tensor) -> Array:
    """Return the mask of what lies on the padding of a tensor that has rows and steps."""
    lengths = np.array(lengths_of(case), dtype=np.int64)
    return where(tensor, lambda row, step: step >= lengths[row], "row", "step")


def otherwise(array: Array, mask: Array) -> Array:
    """Return other numbers where the mask is: each is multiplied by -1/2, so that no two become equal."""
    return np.where(mask, array * array.dtype.type(-0.5), array).astype(array.dtype)


def mirror(case: Case) -> Move:
    """Return how arrays lie in the case run from the other end: directions change places, rows are reversed.

    Each row is reversed within its own length. What stands in a parameter's name is left to `mirrored`.
    """
    orders = {"direction": [1, 0], "from direction": [1, 0]} if case.config.bidirectional else {}
    steps = np.arange(case.call.steps)[None, :]
    lengths = np.array(lengths_of(case), dtype=np.int64)[:, None]
    order = np.where(steps < lengths, lengths - 1 - steps, steps)

    def move(name: str, array: Array) -> Array:
        tensor = case.table[name]
        swapped = take(tensor, array, orders)
        if "step" not in axes(tensor):
            return swapped
        return np.ascontiguousarray(swapped[np.arange(case.call.batch)[:, None], order])

    return move


def mirrored(case: Case, arrays: Mapping[str, Array | None]) -> dict[str, Any]:
    """Move arrays by `mirror`, and give the parameters of one direction to the other."""
    return {_other_direction(case, name): array for name, array in moved(case, arrays, mirror(case)).items()}


def _other_direction(case: Case, name: str) -> str:
    if not case.config.bidirectional or case.table[name].role != "parameter":
        return name
    return name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"


def final_cotangents(case: Case) -> dict[str, Array]:
    """Return the cotangents of the final states that are in the loss."""
    return {name: case.cotangents[name] for name in carried(case) if name in case.cotangents}


def steps_of(case: Case, start: int, stop: int, what: str, states: Tensors, finals: Tensors) -> Case:
    """Return steps start..stop of a case as a call of its own.

    Args:
        states: initial states that take the place of the case's, which begin at step 0.
        finals: cotangents of the final states.
    """
    lengths = case.call.lengths
    if lengths is not None:
        lengths = tuple(min(max(length - start, 0), stop - start) for length in lengths)
    given = {name: name in states or (not states and name in case.tensors) for name in carried(case).values()}
    call = msgspec.structs.replace(case.call, steps=stop - start, lengths=lengths, **given)
    move = taking(case, {"step": range(start, stop)})
    tensors = moved(case, case.tensors, move) | dict(states)
    if lengths is not None:
        tensors["lengths"] = np.array(lengths, dtype=np.int64)
    seen = {name: move(name, array) for name, array in case.cotangents.items() if name == "y"}
    return made(case, what, tensors, seen | dict(finals), call=call)

"""clipped_i = s g_i with one s = limit / max(norm + epsilon, limit); or with one s for each; or element by element.

Pascanu, Mikolov and Bengio 2013, 'On the difficulty of training recurrent neural networks', for the norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradassay._ops import Ops
from gradassay_clip._config import Call, Clip
from gradassay_clip._tensors import present


def equations(ops: Ops, config: Clip, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return `clipped_g0`, ... of the shapes of `g0`, ..., and by the global norm `norm` ()."""
    given = {number: ops.mark("g", tensors[f"g{number}"], tensor=number) for number in present(config, call)}
    if config.by == "value":
        return {f"clipped_g{number}": _within(ops, g, config.limit, number) for number, g in given.items()}
    squares = {number: ops.mark("squares", ops.sum(g * g), tensor=number) for number, g in given.items()}
    if config.by == "each":
        scales = {number: _scale(ops, config, _root(ops, call, total), number) for number, total in squares.items()}
        return {f"clipped_g{number}": _scaled(ops, g, scales[number], number) for number, g in given.items()}
    # One reduction over all elements of all tensors: so are its rounding errors.
    total = ops.mark("total", ops.sum(ops.stack(list(squares.values()), axis=-1)))
    norm = ops.mark("norm", _root(ops, call, total))
    clipped = {f"clipped_g{n}": _scaled(ops, g, _scale(ops, config, norm, n), n) for n, g in given.items()}
    return {**clipped, "norm": norm}


def _root(ops: Ops, call: Call, total: Any) -> Any:
    """The norm; at zero it has no derivative, and by convention it is a constant there."""
    return ops.stop(total) if call.zero else ops.sqrt(total)


def _scale(ops: Ops, config: Clip, norm: Any, number: int) -> Any:
    limit = ops.mark("limit", ops.constant(config.limit), tensor=number)
    padded = ops.mark("padded", norm + config.epsilon, tensor=number)
    return ops.mark("scale", ops.divide(limit, ops.maximum(padded, limit)), tensor=number)


def _scaled(ops: Ops, g: Any, scale: Any, number: int) -> Any:
    return ops.mark("clipped", g * scale, tensor=number)


def _within(ops: Ops, g: Any, limit: float, number: int) -> Any:
    bound = ops.mark("limit", ops.constant(limit), tensor=number)
    below = -ops.maximum(-g, -bound)
    return ops.mark("clipped", ops.maximum(below, -bound), tensor=number)

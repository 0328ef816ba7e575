"""Layers, directions and lengths around any cell with one state: what Elman's network and the GRU have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradassay import Ops
from gradassay_rnn_tanh._config import Call, Recurrent

At = Mapping[str, Any]  # layer, direction and step, for marks
Parameter = Callable[[str], Any]  # from "weight_ih" to the cell's own, marked
Step = Callable[[Any, Any, At], Any]  # from x (B,in), h (B,H) and where that is to the next h (B,H)
Cell = Callable[[Ops, bool, Parameter], Step]  # `bool`: whether there are biases


def stacked(ops: Ops, config: Recurrent, call: Call, tensors: Mapping[str, Any], cell: Cell) -> dict[str, Any]:
    """Return y (B,T,D*H) and h_n (L*D,B,H) from the canonical tensors, each layer in each direction made of a cell."""
    lengths = ops.integers(tensors["lengths"]) if call.lengths is not None else np.full(call.batch, call.steps)
    sequence, h_n = tensors["x"], []
    for layer in range(config.num_layers):
        outputs = []
        for direction in range(config.directions):
            h = _initial(ops, config, call, tensors, layer * config.directions + direction)
            y, h = _over_time(ops, config, tensors, cell, layer, direction, sequence, lengths, h)
            outputs.append(y)
            h_n.append(h)
        sequence = ops.mark("layer_output", ops.concatenate(outputs, axis=-1), layer=layer)
    return {"y": sequence, "h_n": ops.stack(h_n, axis=-3)}


def affine(ops: Ops, *inputs: Any, weights: Any, ones: int = 0) -> Any:
    """Return the product of inputs (B,·) side by side, and of as many ones, with weights (·,M): ONE reduction.

    A pre-activation is a sum over x, h and the biases: so are its rounding errors.
    """
    filled = [ops.constant(np.ones((inputs[0].shape[0], ones)))] if ones else []
    return ops.concatenate([*inputs, *filled], axis=-1) @ weights


def joined(ops: Ops, weights: Sequence[Any], biases: Sequence[Any] = ()) -> Any:
    """Return weights (M,·) and biases (M,) side by side, transposed for `affine`: (·,M)."""
    return ops.concatenate([*weights, *(ops.stack([bias], axis=-1) for bias in biases)], axis=-1).T


def _initial(ops: Ops, config: Recurrent, call: Call, tensors: Mapping[str, Any], cell: int) -> Any:
    return tensors["h0"][cell] if call.h0 else ops.constant(np.zeros((call.batch, config.hidden_size)))


def _over_time(
    ops: Ops,
    config: Recurrent,
    tensors: Mapping[str, Any],
    cell: Cell,
    layer: int,
    direction: int,
    sequence: Any,
    lengths: np.ndarray[Any, Any],
    h: Any,
) -> tuple[Any, Any]:
    """One layer in one direction: sequence (B,T,in) and h (B,H) to y (B,T,H) and the final h."""
    place = {"layer": layer, "direction": "reverse" if direction else "forward"}
    suffix = f"_l{layer}" + ("_reverse" if direction else "")
    step = cell(ops, config.bias, lambda name: ops.mark(name, tensors[name + suffix], **place))
    batch, steps = sequence.shape[0], sequence.shape[1]

    outputs: list[Any] = [None] * steps
    for t in reversed(range(steps)) if direction else range(steps):
        at = {**place, "step": t}
        x, h = ops.mark("x", sequence[:, t], **at), ops.mark("h_before", h, **at)
        new_h = ops.mark("h", step(x, h, at), **at)
        valid = (lengths > t)[:, None]
        outputs[t] = new_h if valid.all() else ops.where(valid, new_h, 0.0)
        h = new_h if valid.all() else ops.where(valid, new_h, h)

    y = ops.stack(outputs, axis=-2) if outputs else ops.constant(np.zeros((batch, 0, config.hidden_size)))
    return ops.mark("y", y, **place), ops.mark("h_n", h, **place)

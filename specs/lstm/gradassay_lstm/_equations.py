"""The LSTM's equations, once. Everything that the reference knows of the LSTM stands here.

Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; the projection of Sak et al. 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay import Ops
from gradassay_lstm._config import LSTM, Call


def equations(ops: Ops, config: LSTM, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return y (B,T,D*S), h_n (L*D,B,S) and c_n (L*D,B,H), with S the width of h, from the canonical tensors."""
    lengths = ops.integers(tensors["lengths"]) if call.lengths is not None else np.full(call.batch, call.steps)
    sequence = tensors["x"]
    h_n, c_n = [], []
    for layer in range(config.num_layers):
        outputs = []
        for direction in range(config.directions):
            h, c = _initial(ops, config, call, tensors, layer * config.directions + direction)
            y, h, c = _cell_over_time(ops, config, tensors, layer, direction, sequence, lengths, h, c)
            outputs.append(y)
            h_n.append(h)
            c_n.append(c)
        sequence = ops.mark("layer_output", ops.concatenate(outputs, axis=-1), layer=layer)
        if call.dropout and layer < config.num_layers - 1:
            sequence = ops.mark("dropped", sequence * tensors[f"dropout_mask_l{layer}"], layer=layer)
    return {"y": sequence, "h_n": ops.stack(h_n, axis=-3), "c_n": ops.stack(c_n, axis=-3)}


def _initial(ops: Ops, config: LSTM, call: Call, tensors: Mapping[str, Any], cell: int) -> tuple[Any, Any]:
    h = tensors["h0"][cell] if call.h0 else ops.constant(np.zeros((call.batch, config.state_size)))
    c = tensors["c0"][cell] if call.c0 else ops.constant(np.zeros((call.batch, config.hidden_size)))
    return h, c


def _cell_over_time(
    ops: Ops,
    config: LSTM,
    tensors: Mapping[str, Any],
    layer: int,
    direction: int,
    sequence: Any,
    lengths: np.ndarray[Any, Any],
    h: Any,
    c: Any,
) -> tuple[Any, Any, Any]:
    """One layer in one direction: sequence (B,T,in), h (B,S), c (B,H) to y (B,T,S) and the final h and c."""
    place = {"layer": layer, "direction": "reverse" if direction else "forward"}
    suffix = f"_l{layer}" + ("_reverse" if direction else "")

    def parameter(name: str) -> Any:
        return ops.mark(name, tensors[name + suffix], **place)

    # A pre-activation is ONE reduction, over x, h and the biases: so are its rounding errors.
    blocks = [parameter("weight_ih"), parameter("weight_hh")]
    if config.bias:
        blocks += [ops.stack([parameter(name)], axis=-1) for name in ("bias_ih", "bias_hh")]
    weights = ops.concatenate(blocks, axis=-1).T
    batch, steps = sequence.shape[0], sequence.shape[1]
    ones = [ops.constant(np.ones((batch, 2)))] if config.bias else []
    projection = parameter("weight_hr").T if config.projection else None

    outputs: list[Any] = [None] * steps
    for t in reversed(range(steps)) if direction else range(steps):
        at = {**place, "step": t}
        x = ops.mark("x", sequence[:, t], **at)
        h, c = ops.mark("h_before", h, **at), ops.mark("c_before", c, **at)
        gates = ops.mark("gates", ops.concatenate([x, h, *ones], axis=-1) @ weights, **at)
        i, f, g, o = (gates[:, k * config.hidden_size : (k + 1) * config.hidden_size] for k in range(4))

        i, f = ops.mark("input", ops.sigmoid(i), **at), ops.mark("forget", ops.sigmoid(f), **at)
        g, o = ops.mark("candidate", ops.tanh(g), **at), ops.mark("output", ops.sigmoid(o), **at)
        new_c = ops.mark("c", ops.mark("carry", f * c, **at) + i * g, **at)
        new_h = o * ops.mark("squashed", ops.tanh(new_c), **at)
        if projection is not None:
            new_h = new_h @ projection
        new_h = ops.mark("h", new_h, **at)

        valid = (lengths > t)[:, None]
        outputs[t] = new_h if valid.all() else ops.where(valid, new_h, 0.0)
        h, c = (new_h, new_c) if valid.all() else (ops.where(valid, new_h, h), ops.where(valid, new_c, c))

    y = ops.stack(outputs, axis=-2) if outputs else ops.constant(np.zeros((batch, 0, config.state_size)))
    return ops.mark("y", y, **place), ops.mark("h_n", h, **place), ops.mark("c_n", c, **place)

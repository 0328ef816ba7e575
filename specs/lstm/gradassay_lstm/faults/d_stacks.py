"""D. Stacks of layers and directions: layer 0, forward, is the wrong place to look."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, gradients, instead, outputs
from gradassay_lstm.faults._at_marks import Where, at, blocks, derivative, first, nothing, seen, shifted, started, stop

BOTH = frozenset({"bidirectional"})
STACK = frozenset({"layers"})


def _h0_of_layer_0(tape: Any, h: Any, where: Where) -> Any:
    """Begin every layer in the state of the first one."""
    return h if started(tape, "h_before", where) else first(tape, "h_before", {**where, "layer": 0})


def _no_reverse_half(tape: Any, x: Any, where: Where) -> Any:
    half = x.shape[-1] // 2
    return tape.concatenate([x[:, :half], x[:, half:] * 0.0], axis=-1)


def _dy_overwritten(tape: Any, y: Any, where: Where) -> Any:
    """Pass the cotangent of the forward half back to both halves."""
    half = y.shape[-1] // 2
    both = y[:, :, :half] + y[:, :, half:]
    return tape.splice(y, tape.concatenate([both, tape.stop(y[:, :, half:])], axis=-1))


def _other_order(r: Request) -> None:
    """Read states in the order l + d L, where they stand in the order l D + d."""
    layers, directions = r.config.num_layers, r.config.directions
    order = [d * layers + k for k in range(layers) for d in range(directions)]
    r.inputs.update({name: r.inputs[name][order] for name in ("h0", "c0") if name in r.inputs})


def _as_wide_as_x(r: Request) -> None:
    """Let layers above the first read as many features as the input has."""
    size = r.config.input_size

    def cut(tape: Any, x: Any, where: Where) -> Any:
        return tape.concatenate([x[:, :size], x[:, size:] * 0.0], axis=-1) if size < x.shape[-1] else x

    r.make(r.model.planted(at("x", cut, layer=lambda layer: layer > 0)(r.roundoff)))


faults = (
    Fault(
        "h0-of-layer-0-for-all",
        "every layer begins in the h0 of layer 0, in value and in gradient",
        "pytorch/pytorch#95137",
        ("y", "h0"),
        edits=at("h_before", _h0_of_layer_0, layer=lambda layer: layer > 0),
        needs=STACK,
    ),
    Fault(
        "reverse-half-ignored",
        "layers above the first ignore what the reverse direction below them gives",
        "pytorch/pytorch#89357",
        ("y",),
        edits=at("x", _no_reverse_half, layer=lambda layer: layer > 0),
        needs=STACK | BOTH,
    ),
    Fault(
        "reverse-reads-the-forward-cotangent",
        "dx overwrites dy before the reverse direction reads it, in the layers between the first and the last",
        "apache/mxnet#17898",
        ("weight_ih_l1_reverse",),
        edits=at("layer_output", _dy_overwritten, layer=1),
        needs=BOTH,
        minimum={"layer": 3},
    ),
    Fault(
        "states-in-another-order",
        "initial states are read in the order l + d L, where they stand in the order l D + d",
        "pytorch/pytorch#22850",
        ("y",),
        wrap=before(_other_order),
        needs=STACK | BOTH,
    ),
    Fault(
        "reverse-uses-the-forward-weights",
        "the reverse direction uses the recurrent weights of the forward one, in value and in gradient",
        "apple/coremltools#824",
        ("y",),
        edits=at("weight_hh", lambda t, v, w: seen(t, "weight_hh", w, direction="forward"), direction="reverse"),
        needs=BOTH,
    ),
    Fault(
        "reverse-states-zero",
        "the final states of the reverse direction come back as zeros",
        "apple/coremltools#263",
        ("h_n", "c_n"),
        edits=at("h_n c_n", nothing, direction="reverse"),
        needs=BOTH,
    ),
    Fault(
        "reverse-off-by-one",
        "the outputs of the reverse direction stand one step too early",
        "none known",
        ("y",),
        edits=at("y", shifted, direction="reverse"),
        needs=BOTH,
        minimum={"step": 2},
    ),
    Fault(
        "width-of-layer-0-for-all",
        "layers above the first read as many features as the input has",
        "apache/mxnet#17479",
        ("y",),
        wrap=instead(_as_wide_as_x),
        needs=STACK,
    ),
    Fault(
        "reverse-of-layer-2-without-recurrence",
        "the reverse direction of layer 2 passes no gradient through its recurrent weights",
        "apache/mxnet#18203",
        ("weight_hh_l2_reverse",),
        edits=at("weight_hh", stop, layer=2, direction="reverse"),
        needs=BOTH,
        minimum={"layer": 3},
    ),
    Fault(
        "gates-swapped-in-layer-2",
        "the gradients of the input and forget gates are exchanged in layer 2, and nowhere else",
        "none known",
        ("weight_ih_l2",),
        edits=at("gates", derivative(blocks("figo")), layer=2),
        minimum={"layer": 3},
    ),
    Fault(
        "dropout-mask-omitted-in-backward",
        "the backward pass does not apply the dropout mask between layers",
        "pytorch/pytorch#190056",
        ("x",),
        edits=at("dropped", derivative(lambda t, v, w: seen(t, "layer_output", w))),
        needs=frozenset({"dropout"}),
    ),
    Fault(
        "dh0-of-the-layers-reversed",
        "the gradient of h0 stands with the last layer first",
        "none known",
        ("h0",),
        wrap=gradients(lambda g, r: g[::-1], "h0", lambda r: r.config.num_layers > 1),
        needs=STACK,
    ),
    Fault(
        "directions-exchanged-in-y",
        "the reverse half of y stands before the forward half",
        "jax-ml/jax#15183",
        ("y",),
        wrap=outputs(lambda y, r: np.concatenate(np.split(y, r.config.directions, -1)[::-1], -1), "y"),
        needs=BOTH,
    ),
)

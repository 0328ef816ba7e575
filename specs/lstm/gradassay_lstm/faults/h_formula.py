"""H. The formula, its initial states and its conventions: wrong alike in value and in gradient, so that finite
differences agree with the backward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, planted
from gradassay_lstm.faults._at_marks import (
    Where,
    at,
    backwards,
    blocks,
    derivative,
    first,
    gate,
    seen,
    started,
    turned,
)


def _first_state(tape: Any, h: Any, where: Where) -> Any:
    """Begin every step in the state of the first one."""
    return first(tape, "h_before", where) if started(tape, "h_before", where) else h


def _without_bias(tape: Any, gates: Any, where: Where) -> Any:
    """Skip the recurrent bias in the first step."""
    if started(tape, "gates", where) or "bias_hh" not in tape.marks:
        return gates
    bias = seen(tape, "bias_hh", {key: where[key] for key in ("layer", "direction")})
    return gates - bias


def _c0_is_h0(r: Request) -> None:
    if "h0" in r.inputs and "c0" not in r.inputs and not r.config.projection:
        r.inputs["c0"] = r.inputs["h0"]


def _with_forget_bias(tape: Any, gates: Any, where: Where) -> Any:
    size = gates.shape[-1] // 4
    return gates + tape.constant(np.repeat([[0.0, 1.0, 0.0, 0.0]], size, axis=1))


faults = (
    Fault(
        "gates-i-f-swapped",
        "the input and forget gates are exchanged, in value and in gradient",
        "tensorflow/tfjs#6554",
        ("y", "weight_ih_l0", "x"),
        edits=at("gates", blocks("figo")),
    ),
    Fault(
        "gates-f-g-swapped",
        "the forget gate and the candidate are exchanged: the order i, j, f, o is taken for i, f, j, o",
        "tensorflow/tensorflow#29622",
        ("y", "weight_ih_l0"),
        edits=at("gates", blocks("igfo")),
    ),
    Fault(
        "reverse-gates-swapped",
        "the input and output gates are exchanged in the reverse direction",
        "jax-ml/jax#36572",
        ("y",),
        edits=at("gates", blocks("ofgi"), direction="reverse"),
        needs=frozenset({"bidirectional"}),
    ),
    Fault(
        "weight_hh-transposed",
        "each gate's recurrent weight is transposed, in value and in gradient",
        "huggingface/transformers#10712",
        ("y", "weight_hh_l0"),
        edits=at("weight_hh", turned),
        minimum={"unit": 2, "step": 1},
    ),
    Fault(
        "h-without-tanh",
        "h = o c, where it should be o tanh(c)",
        "nicodjimenez/lstm#47",
        ("y",),
        edits=at("squashed", lambda t, v, w: seen(t, "c", w)),
    ),
    Fault(
        "tanh-of-c-twice",
        "the cell state that is carried on has been through tanh already",
        "none known",
        ("y", "c_n"),
        edits=at("c", lambda t, v, w: t.tanh(v)),
    ),
    Fault(
        "h0-at-every-step",
        "every step sees the initial h, and none the one before",
        "tracel-ai/burn#2701",
        ("y",),
        edits=at("h_before", _first_state),
        minimum={"step": 2},
    ),
    Fault(
        "bias-skipped-without-h0",
        "without h0 the first step does not add the recurrent bias",
        "ml-explore/mlx#3249",
        ("y",),
        wrap=planted(at("gates", _without_bias), lambda r: "h0" not in r.inputs),
        needs=frozenset({"absent_states"}),
    ),
    Fault(
        "absent-c0-is-h0",
        "where h0 is given alone, it serves as c0",
        "onnx/onnx-tensorflow#408",
        ("y", "h0"),
        wrap=before(_c0_is_h0),
        needs=frozenset({"partial_states"}),
    ),
    Fault(
        "forget-bias-of-1",
        "1 is added to the forget gate's pre-activation, as older layers do",
        "tensorflow/tensorflow#29308",
        ("y",),
        edits=at("gates", _with_forget_bias),
    ),
    Fault(
        "hard-sigmoid",
        "the gates' sigmoid is 0.2 z + 0.5",
        "keras-team/keras#10179",
        ("y",),
        edits=at("forget", lambda t, v, w: gate(seen(t, "gates", w), "f") * 0.2 + 0.5),
    ),
    Fault(
        "candidate-by-sigmoid",
        "the candidate goes through a sigmoid, not through tanh",
        "keras-team/keras#14653",
        ("y",),
        edits=at("candidate", lambda t, v, w: t.sigmoid(gate(seen(t, "gates", w), "g"))),
    ),
    Fault(
        "coupled-gates",
        "the forget gate is 1 - i",
        "none known",
        ("y",),
        edits=at("forget", lambda t, v, w: seen(t, "input", w) * -1.0 + 1.0),
    ),
    Fault(
        "output-gate-on-the-carry",
        "the cell state is multiplied by the output gate before it is carried on",
        "none known",
        ("y", "c_n"),
        edits=at("carry", lambda t, v, w: v * seen(t, "output", w)),
    ),
    Fault(
        "reverse-not-turned-back",
        "the outputs of the reverse direction stand in the order in which they were computed",
        "keras-team/keras-onnx#523",
        ("y",),
        edits=at("y", backwards, direction="reverse"),
        needs=frozenset({"bidirectional"}),
        minimum={"step": 2},
    ),
    Fault(
        "tanh-derivative-as-a-square",
        "the derivative of tanh(c) is taken to be (1 - tanh(c))^2",
        "none known",  # a formula of tutorials: bugs of books have no number
        ("c0", "x"),
        edits=at("squashed", derivative(lambda t, v, w: seen(t, "c", w) * t.stop((1.0 - v) * (1.0 - v)))),
    ),
    Fault(
        "sigmoid-derivative-for-the-candidate",
        "the derivative of the candidate is taken to be g (1 - g), that of a sigmoid",
        "none known",
        ("weight_ih_l0",),
        edits=at("candidate", derivative(lambda t, v, w: gate(seen(t, "gates", w), "g") * t.stop(v * (1.0 - v)))),
    ),
)

"""B. Gradients of and through the states: what a loss that is a sum of outputs, from zero states, does not see."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, before, gradients, outputs, raises, seconds
from gradassay_lstm.faults._at_marks import Where, at, derivative, last, seen, stop


def _h_for_c(tape: Any, c_n: Any, where: Where) -> Any:
    h_n = seen(tape, "h_n", where)
    return h_n if h_n.shape == c_n.shape else c_n


def _dhn_for_dy(r: Request) -> None:
    """Give every step the cotangent of the last layer's h_n, where y has none."""
    if "y" not in r.cotangents and "h_n" in r.cotangents:
        top = np.concatenate(list(r.cotangents["h_n"][-r.config.directions :]), axis=-1)
        r.cotangents["y"] = np.repeat(top[:, None], r.steps, axis=1)


def _dhn_of_last_call(r: Request) -> None:
    """Let the cotangent of h_n of an earlier call count again, where this call has none."""
    key = "h_n", r.shape
    if "h_n" in r.cotangents:
        r.memory[key] = r.cotangents["h_n"].copy()
    elif key in r.memory:
        r.cotangents["h_n"] = r.memory[key]


def _state_of_last_call(r: Request) -> None:
    """Begin where the last call ended, when no states are given."""
    if r.operator in ("forward", "vjp"):
        absent = "h0" not in r.inputs and "c0" not in r.inputs
        if absent and r.memory.get("shape") == r.shape:
            r.inputs.update(h0=r.memory["h_n"], c0=r.memory["c_n"])
        r.make()
        r.memory.update(shape=r.shape, h_n=r.outputs["h_n"], c_n=r.outputs["c_n"])


def _reverse_zero(r: Request) -> None:
    if "c0" in r.gradients and r.config.bidirectional:
        r.gradients["c0"] = r.gradients["c0"].copy()
        r.gradients["c0"][1::2] = 0


faults = (
    Fault(
        "c_n-cotangent-dropped",
        "the gradient that arrives at c_n is not passed on",
        "deeplearning4j/deeplearning4j#8838",
        ("c0",),
        edits=at("c_n", stop),
    ),
    Fault(
        "h_n-cotangent-dropped",
        "the gradient that arrives at h_n is not passed on",
        "none known",
        ("h0",),
        edits=at("h_n", stop),
    ),
    Fault(
        "state-gradients-zero",
        "the gradients of h0 and c0 are zero",
        "keras-team/keras#16151",
        ("h0", "c0"),
        wrap=gradients(lambda g, r: g * 0, "h0 c0"),
    ),
    Fault(
        "dc0-without-forget-factor",
        "dL/dc0 is not multiplied by the first forget gate",
        "none known",
        ("c0",),
        edits=at(
            "carry",
            derivative(lambda t, v, w: seen(t, "c_before", w) + seen(t, "forget", w) * t.stop(seen(t, "c_before", w))),
            step=0,
            direction="forward",
        ),
    ),
    Fault(
        "raises-without-dy",
        "a loss that sees the final states alone raises",
        "pytorch/pytorch#96416",
        wrap=raises(lambda r: "y" not in r.cotangents, "vjp"),
    ),
    Fault(
        "nan-without-dy",
        "a loss that does not see y gets NaN: its cotangent is memory that nobody has written",
        "chainer/chainer#2505",
        wrap=gradients(lambda g, r: g * np.nan, when=lambda r: "y" not in r.cotangents),
    ),
    Fault(
        "dh_n-broadcast-for-dy",
        "where the loss does not see y, every step gets the cotangent of h_n",
        "Theano/Theano#4915",
        wrap=before(_dhn_for_dy, "vjp"),
        minimum={"step": 2},
    ),
    Fault(
        "c_n-alone-is-no-loss",
        "a loss that sees c_n alone has gradients of zero",
        "PaddlePaddle/Paddle#6970",
        wrap=gradients(lambda g, r: g * 0, when=lambda r: set(r.cotangents) == {"c_n"}),
    ),
    Fault(
        "unused-output-fails-at-second-order",
        "second derivatives are zero where the loss does not see every output",
        "chainer/chainer#7891",
        wrap=seconds(lambda g, r: g * 0, when=lambda r: len(r.cotangents) < 3),
    ),
    Fault(
        "dh_n-at-the-padded-end",
        "the gradient of h_n enters at the last padded step, not where the state was taken",
        "OpenNMT/OpenNMT#306",
        ("x",),
        edits=at("h_n", derivative(lambda t, v, w: last(t, "h", w)), direction="forward"),
        needs=frozenset({"ragged"}),
    ),
    Fault(
        "dh_n-of-the-last-call",
        "a cotangent of h_n counts again in the next call that has none",
        "soumith/cudnn.torch#235",
        wrap=before(_dhn_of_last_call, "vjp"),
    ),
    Fault(
        "h_n-returned-for-c_n",
        "h_n comes back in the place of c_n",
        "salesforce/decaNLP#9",
        ("c_n",),
        edits=at("c_n", _h_for_c),
    ),
    Fault(
        "h_n-at-the-padded-end",
        "h_n is the state after the padding, not after each row's last step",
        "ray-project/ray#21392",
        ("h_n",),
        edits=at("h_n", lambda t, v, w: last(t, "h", w), direction="forward"),
        needs=frozenset({"ragged"}),
    ),
    Fault(
        "h_n-zero-for-short-rows",
        "h_n is zero in rows that are shorter than the longest",
        "pytorch/rl#3711",
        ("h_n",),
        wrap=outputs(lambda h, r: np.where(r.short()[:, None], 0, h), "h_n"),
        needs=frozenset({"ragged"}),
    ),
    Fault(
        "begins-where-the-last-call-ended",
        "without given states, a call begins in the states that the last one ended in",
        "deeplearning4j/deeplearning4j#4624",
        wrap=before(_state_of_last_call),
        needs=frozenset({"absent_states"}),
    ),
    Fault(
        "dh_n-of-the-first-layer-alone",
        "the cotangent of h_n counts in layer 0, and in no other",
        "none known",
        edits=at("h_n", stop, layer=lambda layer: layer > 0),
        needs=frozenset({"layers"}),
    ),
    Fault(
        "dc0-detached-in-reverse",
        "the reverse direction passes no gradient on to its initial cell state",
        "none known",
        ("c0",),
        wrap=after(_reverse_zero),
        needs=frozenset({"bidirectional"}),
    ),
)

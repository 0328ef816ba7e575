"""E. Time: where sequences are cut, and where they are short or long."""

from __future__ import annotations

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, gradients, outputs, planted, raises
from gradassay_lstm.faults._at_marks import STATES, affine, at, derivative, nothing, stop


def _clipped(r: Request) -> None:
    r.cotangents = {name: np.clip(v, -8, 8).astype(v.dtype) for name, v in r.cotangents.items()}


faults = (
    Fault(
        "truncated-to-one-step",
        "backpropagation through time is cut at every step",
        "FluxML/Flux.jl#1209",
        ("x",),
        edits=at(STATES, stop, step=lambda t: t > 0, direction="forward"),
        minimum={"step": 2},
    ),
    Fault(
        "cotangents-clipped",
        "what arrives at the layer is clipped to [-8, 8]: right as long as it is small",
        "Lasagne/Lasagne#401",
        wrap=before(_clipped, "vjp"),
    ),
    Fault(
        "bias-skipped-in-a-large-launch",
        "the bias is not added where rows times steps exceed 64, in value and in gradient",
        "ROCm/rocm-libraries#10551",
        ("y",),
        wrap=planted(at("bias_ih bias_hh", nothing), lambda r: r.rows * r.steps > 64),
        minimum={"step": 17},
    ),
    Fault(
        "recursion-too-deep",
        "the backward pass recurses over time, and raises beyond 64 steps",
        "pytorch/pytorch#9621",
        wrap=raises(lambda r: r.steps > 64, "vjp", RecursionError),
        minimum={"step": 65},
    ),
    Fault(
        "raises-at-one-step",
        "a sequence of one step raises",
        "microsoft/CNTK#3019",
        wrap=raises(lambda r: r.steps == 1),
    ),
    Fault(
        "one-step-is-squeezed",
        "the output of a sequence of one step has no axis of steps",
        "keras-team/keras#7387",
        wrap=outputs(lambda y, r: y[:, 0] if r.steps == 1 else y, "y"),
    ),
    Fault(
        "carry-detached-at-32",
        "h and c are constants to the derivative when they enter step 32",
        "NX-AI/mlstm_kernels#16",
        ("x",),
        edits=at(STATES, stop, step=32),
        minimum={"step": 33},
    ),
    Fault(
        "step-64-not-in-dW",
        "the step after the first 64 does not count in the gradients of the weights",
        "none known",
        ("weight_ih_l0",),
        edits=at("gates", derivative(lambda t, v, w: affine(t, w, keep="inputs")), step=64),
        minimum={"step": 65},
    ),
    Fault(
        "dx-of-the-tail-not-written",
        "beyond the last full sixteen steps the gradient of x is zero",
        "none known",
        ("x",),
        wrap=gradients(
            lambda g, r: np.where(np.arange(r.steps)[:, None] < r.steps // 16 * 16, g, 0),
            "x",
            lambda r: r.steps > 16,
        ),
        minimum={"step": 17},
    ),
    Fault(
        "dh0-zero-at-one-step",
        "in a sequence of one step, the gradient of h0 is zero",
        "none known",
        ("h0",),
        wrap=gradients(lambda g, r: g * 0, "h0", lambda r: r.steps == 1),
    ),
)

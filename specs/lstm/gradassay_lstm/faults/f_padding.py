"""F. Lengths, masks and padding: what lies beyond a row's last step."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, before, gradients, instead, outputs, raises

RAGGED = frozenset({"ragged"})


def _without_lengths(r: Request) -> None:
    r.inputs.pop("lengths", None)


def _reverse_over_padding(r: Request) -> None:
    """Take the reverse half of y, and its final states, from a pass that begins in the padding."""
    r.make()
    if "lengths" in r.inputs and r.config.bidirectional and r.outputs:
        all_steps = {name: array for name, array in r.inputs.items() if name != "lengths"}
        wrong, half = r.model.forward(all_steps), r.config.state_size
        y = r.outputs["y"].copy()
        y[:, :, half:] = np.where(r.padding[:, :, None], 0, wrong["y"][:, :, half:])
        r.outputs["y"] = y
        for name in ("h_n", "c_n"):
            r.outputs[name] = r.outputs[name].copy()
            r.outputs[name][1::2] = wrong[name][1::2]


def _backward_without_lengths(r: Request) -> None:
    """Make the backward pass as if every row had all steps."""
    outputs = r.model.forward(r.inputs)
    r.inputs.pop("lengths", None)
    r.make()
    r.outputs = dict(outputs)


def _leak(x: Any, r: Request, value: Any) -> Any:
    return np.where(r.padding[:, :, None], value, x)


def _reverse_and_short(h: Any, r: Request) -> Any:
    return (np.arange(len(h)) % 2 == 1)[:, None, None] & r.short()[:, None]


def _last_to_padding(r: Request) -> None:
    """Leave in the padding of y what memory held: the last step's numbers."""
    y = r.outputs["y"]
    r.outputs["y"] = np.where(r.padding[:, :, None], y[:, :1], y)


def _nearly_masked(r: Request) -> None:
    """Let the padding into the first step, times 2^-70: nothing while the padding is small."""
    if "lengths" in r.inputs and r.steps:
        x = np.array(r.inputs["x"])
        leak = np.where(r.padding[:, :, None], x, 0).sum(axis=1) * 2.0**-70
        x[:, 0] = x[:, 0] + leak.astype(x.dtype)
        r.inputs["x"] = x


def _times_zero(r: Request) -> None:
    x = r.inputs["x"]
    with np.errstate(invalid="ignore"):  # infinity times zero
        r.inputs["x"] = x * (~r.padding[:, :, None]).astype(x.dtype)


faults = (
    Fault(
        "lengths-ignored",
        "every row is taken to have all steps",
        "tensorflow/tensorflow#49241",
        ("y", "x"),
        wrap=before(_without_lengths),
        needs=RAGGED,
    ),
    Fault(
        "lengths-ignored-in-backward",
        "the backward pass takes every row to have all steps",
        "deeplearning4j/deeplearning4j#1030",
        ("x",),
        wrap=instead(_backward_without_lengths, "vjp"),
        needs=RAGGED,
    ),
    Fault(
        "padding-leaks",
        "the gradient of x on the padding is 1e-3, where it is exactly 0",
        "apache/mxnet#4986",
        ("x",),
        wrap=gradients(lambda g, r: _leak(g, r, 1e-3), "x"),
        needs=RAGGED,
    ),
    Fault(
        "dx-on-padding-not-written",
        "the gradient of x on the padding is whatever memory held: NaN here",
        "onnx/onnxruntime#1193",
        ("x",),
        wrap=gradients(lambda g, r: _leak(g, r, np.nan), "x"),
        needs=RAGGED,
    ),
    Fault(
        "y-on-padding-not-written",
        "y on the padding is whatever memory held, where it is exactly 0",
        "microsoft/onnxruntime#1361",
        ("y",),
        wrap=after(_last_to_padding, "forward vjp jvp"),
        needs=RAGGED,
    ),
    Fault(
        "dW-of-short-rows-not-written",
        "the gradient of the recurrent weights is NaN when a row is shorter than the longest",
        "jax-ml/jax#15183",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g * np.nan, "weight_hh", lambda r: r.short().any()),
        needs=RAGGED,
    ),
    Fault(
        "row-of-length-0-raises-in-backward",
        "an empty row raises in the backward pass, and not in the forward pass",
        "jax-ml/jax#17966",
        wrap=raises(lambda r: (r.lengths == 0).any(), "vjp"),
        needs=frozenset({"zero_length"}),
    ),
    Fault(
        "dh0-zero-for-short-rows",
        "the gradient of h0 is zero in rows that are shorter than the longest",
        "apache/mxnet#15268",
        ("h0",),
        wrap=gradients(lambda g, r: np.where(r.short()[:, None], 0, g), "h0"),
        needs=RAGGED,
    ),
    Fault(
        "reverse-runs-over-the-padding",
        "the reverse direction begins in the padding",
        "keras-team/keras#4192",
        ("y",),
        wrap=instead(_reverse_over_padding, "forward vjp jvp"),
        needs=RAGGED | {"bidirectional"},
    ),
    Fault(
        "reverse-state-zero-for-short-rows",
        "the reverse direction's h_n is zero in rows that are shorter than the longest",
        "keras-team/keras#17596",
        ("h_n",),
        wrap=outputs(lambda h, r: np.where(_reverse_and_short(h, r), 0, h), "h_n"),
        needs=RAGGED | {"bidirectional"},
    ),
    Fault(
        "padding-nearly-masked",
        "padding enters the first step times 2^-70: nothing while it is small, wrong when it is huge",
        "none known",
        wrap=before(_nearly_masked),
        needs=RAGGED,
        dtypes=frozenset({"float64", "float32", "bfloat16"}),  # in float16 the product is 0 whatever the padding
    ),
    Fault(
        "mask-by-multiplication",
        "padding is promised not to count, and multiplied by zero: NaN times zero is NaN",
        "tensorflow/tensorflow#6209",
        wrap=before(_times_zero),
        needs=RAGGED,
        promises=frozenset({"nan-safe padding"}),
    ),
    Fault(
        "ragged-raises",
        "lengths are accepted, and raise",
        "google/flax#3208",
        wrap=raises(lambda r: "lengths" in r.inputs, error=ValueError),
        needs=RAGGED,
    ),
    Fault(
        "all-but-one-length-alike-raises",
        "an empty row raises only if no other row has padding",
        "tensorflow/tensorflow#36139",
        wrap=raises(lambda r: set(r.lengths.tolist()) == {0, r.steps} and r.steps > 0),
        needs=frozenset({"zero_length"}),
    ),
)

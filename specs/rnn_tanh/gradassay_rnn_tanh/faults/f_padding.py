"""F. Lengths and padding, of any layer with one state."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, gradients, instead
from gradassay_lstm.faults._at_marks import at, last

RAGGED = frozenset({"ragged"})


def _leak(x: Any, r: Request) -> Any:
    return np.where(r.padding[:, :, None], 1e-3, x)


def _backward_without_lengths(r: Request) -> None:
    """Make the backward pass as if every row had all steps."""
    outputs = r.model.forward(r.inputs)
    r.inputs.pop("lengths", None)
    r.make()
    r.outputs = dict(outputs)


faults = (
    Fault(
        "padding-leaks",
        "the gradient of x on the padding is 1e-3, where it is exactly 0",
        "apache/mxnet#4986",
        ("x",),
        wrap=gradients(_leak, "x"),
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
        "h_n-at-the-padded-end",
        "h_n is the state after the padding, not after each row's last step",
        "ray-project/ray#21392",
        ("h_n",),
        edits=at("h_n", lambda t, v, w: last(t, "h", w), direction="forward"),
        needs=RAGGED,
    ),
)

"""M. NaN and Inf, where numbers should be."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, gradients, outputs


def _large(r: Request) -> Any:
    """Say whether something that goes in is so large that exp overflows in a narrow dtype."""
    return any(np.abs(a.astype("f8")).max(initial=0.0) > 88 for n, a in r.inputs.items() if n != "lengths")


faults = (
    Fault(
        "nan-from-exp-of-large-inputs",
        "a sigmoid is computed as e^z / (1 + e^z), which is NaN for large z",
        "none known",
        wrap=outputs(lambda y, r: y * np.nan, when=_large),
    ),
    Fault(
        "nan-in-later-calls",
        "from the second call on, one element of y is NaN",
        "pytorch/pytorch#94691",
        wrap=outputs(
            lambda y, r: np.where(np.arange(y.size).reshape(y.shape) == 0, np.nan, y), "y", lambda r: r.number > 1
        ),
    ),
    Fault(
        "zero-inputs-divide",
        "the gradient is NaN where an input is exactly zero",
        "none known",
        wrap=gradients(lambda g, r: np.where(r.inputs["x"] == 0, np.nan, g), "x"),
    ),
    Fault(
        "inf-in-dW",
        "an element of a weight's gradient is infinite",
        "keras-team/keras#13221",
        ("weight_ih_l0",),
        wrap=gradients(lambda g, r: np.where(np.arange(g.size).reshape(g.shape) == g.size - 1, np.inf, g), "weight_ih"),
    ),
)

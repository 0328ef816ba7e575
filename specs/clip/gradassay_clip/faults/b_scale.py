"""B. The factor: when it is 1, what is added to the norm, and whether it has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_clip._features import TORCH_EPSILON
from gradassay_clip.faults._seen import floats, seen
from gradassay_lstm.faults._around import Request, gradients
from gradassay_lstm.faults._at_marks import Where, at, stop

GLOBAL = frozenset({"global_norm"})
WIDE = frozenset({"float64", "float32"})  # with 16 bits, norms that show 1e-6 have squares that float16 does not hold


def _always(tape: Any, scale: Any, where: Where) -> Any:
    padded = seen(tape, "padded", where)
    return tape.divide(seen(tape, "limit", where), padded) if floats(padded) > 0 else scale


def _zero(r: Request) -> bool:
    return not any(np.any(array) for array in r.inputs.values())


faults = (
    Fault(
        "scaled-up-below-the-limit",
        "tensors below the limit are scaled up to it",
        "none known",
        edits=at("scale", _always),
        needs=GLOBAL,
    ),
    Fault(
        "epsilon-of-another-framework",
        "1e-6 is added to the norm where nothing is to be added",
        "none known",
        edits=at("padded", lambda t, v, w: v + TORCH_EPSILON),
        needs=frozenset({"no_epsilon"}),
        dtypes=WIDE,
    ),
    Fault(
        "epsilon-left-out",
        "nothing is added to the norm where 1e-6 is to be added",
        "none known",
        edits=at("padded", lambda t, v, w: v - TORCH_EPSILON),
        needs=frozenset({"epsilon_1e-6"}),
        dtypes=WIDE,
    ),
    Fault(
        "factor-constant-to-the-derivative",
        "the factor is a constant to the derivative: no tensor sees how it moves the norm",
        "none known",
        ("g0",),
        edits=at("scale", stop),
    ),
    Fault(
        "nan-gradient-at-zero",
        "the gradient is NaN where every tensor is zero",
        "tensorflow/tensorflow#22048",
        wrap=gradients(lambda g, r: g * np.nan, when=_zero),
        needs=frozenset({"zero_each"}),
    ),
)

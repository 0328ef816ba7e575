"""Where each framework keeps a GRU's parameters, as data: gate orders, transposes, biases, and what z stands for.

An update gate that says how much of the candidate is taken, and not how much of the state is kept, has the opposite
pre-activation: sigmoid(-a) = 1 - sigmoid(a). So its parameters are the canonical ones, negated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from gradassay_rnn_tanh._layout import BOTH_BIASES, KERNELS, TWO_BIASES, Form
from gradassay_rnn_tanh._layout import Layout as Layout

_GRU = partial(Layout, canonical="rzn", gates="rzn")
# A candidate whose reset gate comes after the product needs both biases; r and z have their sum.
_ONE_BIAS_BUT_FOR_N = Form(("bias_ih", "bias_hh"), "sum", summed="rz")
_BIAS_OF_N = Form(("bias_hh",), gates="n")
_ONNX = _GRU(
    {"W": Form(("weight_ih",)), "R": Form(("weight_hh",)), "B": Form(("bias_ih", "bias_hh"))},
    gates="zrn",
    stacked_directions=True,
)

AFTER: Mapping[str, Layout] = {
    "torch": _GRU(TWO_BIASES),
    "paddle": _GRU(TWO_BIASES),
    "keras": _GRU({**KERNELS, "bias": Form(("bias_ih", "bias_hh"), "rows")}, gates="zrn", transposed=True),
    "flax": _GRU(
        {
            "i{gate}.kernel": Form(("weight_ih",)),
            "h{gate}.kernel": Form(("weight_hh",)),
            "i{gate}.bias": _ONE_BIAS_BUT_FOR_N,
            "hn.bias": _BIAS_OF_N,
        },
        transposed=True,
        bias_required=True,
    ),
    "equinox": _GRU(
        {
            "weight_ih": Form(("weight_ih",)),
            "weight_hh": Form(("weight_hh",)),
            "bias": _ONE_BIAS_BUT_FOR_N,
            "bias_n": _BIAS_OF_N,
        }
    ),
    "onnx": _ONNX,  # linear_before_reset = 1
}
BEFORE: Mapping[str, Layout] = {
    "keras": _GRU({**KERNELS, "bias": BOTH_BIASES}, gates="zrn", transposed=True),
    "haiku": _GRU(
        {"w_i": Form(("weight_ih",)), "w_h": Form(("weight_hh",)), "b": BOTH_BIASES},
        gates="zrn",
        transposed=True,
        negated="z",
        bias_required=True,
    ),
    "onnx": _ONNX,  # linear_before_reset = 0
}


def layouts(reset_after: bool) -> Mapping[str, Layout]:
    """Return the layouts by framework, of those that have this convention."""
    return AFTER if reset_after else BEFORE

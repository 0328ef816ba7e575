"""L. Dtypes and precision."""

from __future__ import annotations

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import after, gradients, outputs, raises
from gradassay_lstm.faults._at_marks import at, rounded

DOUBLE = frozenset({"float64"})
WIDE = frozenset({"float64", "float32"})

faults = (
    Fault(
        "y-in-float32",
        "y comes back as float32, whatever went in",
        "elixir-nx/axon#644",
        wrap=after(lambda r: r.outputs.update(y=r.outputs["y"].astype("f4")), "forward vjp jvp"),
        dtypes=DOUBLE | {"float16", "bfloat16"},
    ),
    Fault(
        "c_n-in-float32",
        "the cell state stays in float32, whatever went in",
        "keras-team/keras#15140",
        wrap=after(lambda r: r.outputs.update(c_n=r.outputs["c_n"].astype("f4")), "forward vjp jvp"),
        dtypes=DOUBLE | {"float16", "bfloat16"},
    ),
    Fault(
        "y-through-float32",
        "y is float64, with the digits of float32",
        "none known",
        ("y",),
        wrap=outputs(lambda y, r: y.astype("f4"), "y"),
        dtypes=DOUBLE,
    ),
    Fault(
        "weights-in-tf32",
        "recurrent weights are rounded to eleven bits before they are multiplied",
        "jax-ml/jax#17653",
        ("y",),
        edits=at("weight_hh", rounded(11)),
        dtypes=WIDE,
    ),
    Fault(
        "db-summed-in-float16",
        "bias gradients are summed in float16",
        "none known",
        ("bias_ih_l0",),
        wrap=gradients(lambda g, r: g.astype("f2"), "bias"),
        dtypes=WIDE,
    ),
    Fault(
        "tanh-from-a-table",
        "tanh(c) comes from a table of sixteen bits",
        "none known",
        ("y",),
        edits=at("squashed", rounded(16)),
        dtypes=WIDE,
    ),
    Fault(
        "no-bias-raises-in-float16",
        "a layer without bias raises in float16, and in no other dtype",
        "PaddlePaddle/Paddle#37686",
        wrap=raises(lambda r: not r.config.bias and r.inputs["x"].dtype == np.float16),
        needs=frozenset({"no_bias"}),
        dtypes=frozenset({"float16"}),
    ),
    Fault(
        "bias-raises-in-half-precision",
        "a layer with biases raises in the 16-bit dtypes: its biases are still float32",
        "pytorch/pytorch#45048",
        wrap=raises(lambda r: r.config.bias and r.inputs["x"].dtype.itemsize == 2),
        dtypes=frozenset({"float16", "bfloat16"}),
    ),
)

"""What finite differences are held against: the certified gradient of f(x) = <v, y(x)> for a sequence of 5 steps.

Every number is a float32, so that float32 and float64 have the same truth.

Attributes:
    weights: of an LSTM(3, 4), by canonical names.
    x, v: (1, 5, 3) and (1, 5, 4), in float32.
    truth: df/dx, (1, 5, 3), proved by ball arithmetic and rounded to float64.
    noise: by dtype, how far rounding moves f in a right implementation: one noise unit of it.
"""

from dataclasses import replace

import numpy as np

from gradassay import CaseTemplate, Oracle, Query
from gradassay._case import build
from gradassay_lstm import LSTM, Call, spec

call = Call(batch=1, steps=5, h0=False, c0=False)
template = CaseTemplate("finite-differences", LSTM(3, 4), call, spec.regimes[0], seed=1)
case = build(spec, "answers", template, "float32")
weights, x, v = case.parameters, case.tensors["x"], case.cotangents["y"]

asked = Query("vjp", cotangents={"y": v}, wrt=("x",))
answers = {dtype: Oracle().ask(replace(case, dtype=dtype), asked) for dtype in ("float32", "float64")}
truth = answers["float64"]["d x"].high
noise = {dtype: np.linalg.norm(v * answer["y"].sigma) for dtype, answer in answers.items()}

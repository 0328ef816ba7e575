"""The LSTM under mean squared error as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from gradassay._spec import Spec
from gradassay_lstm import LSTM as LSTM
from gradassay_lstm import Call as Call
from gradassay_lstm import spec as lstm
from gradassay_mse._draw import draw
from gradassay_mse._equations import equations
from gradassay_mse._suites import suites
from gradassay_mse._tensors import tensors

spec = Spec(
    name="mse",
    version="1",
    config=LSTM,
    call=Call,
    tensors=tensors,
    equations=equations,
    draw=draw,
    features=lstm.features,
    regimes=lstm.regimes,
    suites=suites,
    call_of=lstm.call_of,
    vary=lstm.vary,
)

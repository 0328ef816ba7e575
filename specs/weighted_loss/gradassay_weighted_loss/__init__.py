"""The LSTM under a weighted squared error as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from gradassay._spec import Spec
from gradassay_lstm import Call as Call
from gradassay_weighted_loss._call import call_of, vary
from gradassay_weighted_loss._config import WeightedLoss as WeightedLoss
from gradassay_weighted_loss._draw import draw, regimes
from gradassay_weighted_loss._equations import equations
from gradassay_weighted_loss._features import features
from gradassay_weighted_loss._strategies import strategy
from gradassay_weighted_loss._suites import suites
from gradassay_weighted_loss._tensors import tensors
from gradassay_weighted_loss.faults import benign, faults
from gradassay_weighted_loss.properties import properties

spec = Spec(
    name="weighted_loss",
    version="1",
    config=WeightedLoss,
    call=Call,
    tensors=tensors,
    equations=equations,
    draw=draw,
    features=features,
    regimes=regimes,
    suites=suites,
    call_of=call_of,
    vary=vary,
    properties=properties,
    faults=faults,
    benign=benign,
    strategy=strategy,
)

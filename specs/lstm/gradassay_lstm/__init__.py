"""The LSTM as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from gradassay._spec import Spec
from gradassay_lstm._call import call_of, vary
from gradassay_lstm._config import LSTM as LSTM
from gradassay_lstm._config import Call as Call
from gradassay_lstm._draw import draw, regimes
from gradassay_lstm._equations import equations
from gradassay_lstm._faults import faults
from gradassay_lstm._features import features
from gradassay_lstm._layout import Layout as Layout
from gradassay_lstm._layout import layouts as layouts
from gradassay_lstm._suites import SuiteError as SuiteError
from gradassay_lstm._suites import suites
from gradassay_lstm._tensors import tensors
from gradassay_lstm.properties import properties

spec = Spec(
    name="lstm",
    version="1",
    config=LSTM,
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
)

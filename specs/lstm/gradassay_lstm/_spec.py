"""The LSTM as a spec: its record of functions."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_lstm._call import call_of, vary
from gradassay_lstm._config import LSTM, Call
from gradassay_lstm._draw import draw, regimes
from gradassay_lstm._equations import equations
from gradassay_lstm._features import features
from gradassay_lstm._hypotheses import hypotheses
from gradassay_lstm._structure import structure
from gradassay_lstm._suites import suites
from gradassay_lstm._tensors import tensors
from gradassay_lstm.faults import benign, faults
from gradassay_lstm.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_lstm._strategies import searched

    return searched(offered, among)


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
    benign=benign,
    hypotheses=hypotheses,
    strategy=strategy,
    structure=structure,
)

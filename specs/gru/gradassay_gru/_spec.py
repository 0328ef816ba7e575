"""The GRU as a spec: its record of functions."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_gru._config import GRU, Call
from gradassay_gru._draw import draw, regimes
from gradassay_gru._equations import equations
from gradassay_gru._features import features
from gradassay_gru._suites import suites
from gradassay_gru._tensors import tensors
from gradassay_gru.faults import benign, faults
from gradassay_gru.properties import properties
from gradassay_rnn_tanh._call import call_of, vary
from gradassay_rnn_tanh._structure import structure


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_rnn_tanh._strategies import cases, configs, option

    reset_after = option("reset_before", offered).map(lambda before: not before)
    return cases(configs(GRU, offered, reset_after=reset_after), offered, among or regimes)


spec = Spec(
    name="gru",
    version="1",
    config=GRU,
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
    structure=structure,
)

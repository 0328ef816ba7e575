"""Elman's network as a spec: its record of functions."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_rnn_tanh._call import call_of, vary
from gradassay_rnn_tanh._config import RNN, Call
from gradassay_rnn_tanh._draw import draw, regimes
from gradassay_rnn_tanh._equations import equations
from gradassay_rnn_tanh._features import features
from gradassay_rnn_tanh._structure import structure
from gradassay_rnn_tanh._suites import suites
from gradassay_rnn_tanh._tensors import tensors
from gradassay_rnn_tanh.faults import benign, faults
from gradassay_rnn_tanh.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_rnn_tanh._strategies import cases, configs

    return cases(configs(RNN, offered), offered, among or regimes)


spec = Spec(
    name="rnn_tanh",
    version="1",
    config=RNN,
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

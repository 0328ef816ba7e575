"""Truncated back-propagation through time as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_lstm import Call as Call
from gradassay_lstm import spec as lstm
from gradassay_truncated._call import call_of, vary
from gradassay_truncated._config import Truncated as Truncated
from gradassay_truncated._draw import draw
from gradassay_truncated._equations import equations
from gradassay_truncated._features import features
from gradassay_truncated._structure import structure
from gradassay_truncated._suites import suites
from gradassay_truncated._tensors import tensors
from gradassay_truncated.faults import benign, faults
from gradassay_truncated.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_truncated._strategies import searched

    return searched(offered, among)


spec = Spec(
    name="truncated",
    version="1",
    config=Truncated,
    call=Call,
    tensors=tensors,
    equations=equations,
    draw=draw,
    features=features,
    regimes=lstm.regimes,
    suites=suites,
    call_of=call_of,
    vary=vary,
    properties=properties,
    faults=faults,
    benign=benign,
    strategy=strategy,
    structure=structure,
)

"""Gradient clipping as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_clip._call import call_of, vary
from gradassay_clip._config import Call as Call
from gradassay_clip._config import Clip as Clip
from gradassay_clip._draw import draw, regimes
from gradassay_clip._equations import equations
from gradassay_clip._features import features
from gradassay_clip._suites import suites
from gradassay_clip._tensors import tensors
from gradassay_clip.faults import benign, faults
from gradassay_clip.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_clip._strategies import searched

    return searched(offered, among)


spec = Spec(
    name="clip",
    version="1",
    config=Clip,
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

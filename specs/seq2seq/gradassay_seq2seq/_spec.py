"""Tokens in, a class at every step out: the spec's record of functions."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_seq2seq._call import call_of, vary
from gradassay_seq2seq._config import Call, Seq2Seq
from gradassay_seq2seq._draw import draw, regimes
from gradassay_seq2seq._equations import equations
from gradassay_seq2seq._features import features
from gradassay_seq2seq._structure import structure
from gradassay_seq2seq._suites import suites
from gradassay_seq2seq._tensors import tensors
from gradassay_seq2seq.faults import benign, faults
from gradassay_seq2seq.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_seq2seq._strategies import searched

    return searched(offered, among)


spec = Spec(
    name="seq2seq",
    version="1",
    config=Seq2Seq,
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

"""One vector in, a sequence out: the spec's record of functions."""

from __future__ import annotations

from typing import Any

from gradassay._spec import Spec
from gradassay_one_to_many._call import call_of, vary
from gradassay_one_to_many._config import Call, OneToMany
from gradassay_one_to_many._draw import draw, regimes
from gradassay_one_to_many._equations import equations
from gradassay_one_to_many._features import features
from gradassay_one_to_many._structure import structure
from gradassay_one_to_many._suites import suites
from gradassay_one_to_many._tensors import tensors
from gradassay_one_to_many.faults import benign, faults
from gradassay_one_to_many.properties import properties


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a Hypothesis strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from gradassay_one_to_many._strategies import searched

    return searched(offered, among)


spec = Spec(
    name="one_to_many",
    version="1",
    config=OneToMany,
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

"""A sequence classifier as a spec of Gradassay: the distribution's README is the normative text."""

from __future__ import annotations

from gradassay._spec import Spec
from gradassay_classifier._call import call_of, vary
from gradassay_classifier._config import Classifier as Classifier
from gradassay_classifier._draw import draw, regimes
from gradassay_classifier._equations import equations
from gradassay_classifier._strategies import strategy
from gradassay_classifier._structure import structure
from gradassay_classifier._suites import suites
from gradassay_classifier._tensors import features, tensors
from gradassay_classifier.faults import benign, faults
from gradassay_classifier.properties import properties
from gradassay_lstm import Call as Call

spec = Spec(
    name="classifier",
    version="1",
    config=Classifier,
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

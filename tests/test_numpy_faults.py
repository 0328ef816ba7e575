"""Power on an implementation of another hand: faults in a backward pass that was derived with pen and paper."""

from __future__ import annotations

from functools import cache as cache_results
from typing import Any

import numpy as np
import pytest

from gradassay import CaseTemplate, Fault, Spec, Target
from gradassay._case import Case, build
from gradassay._changes import simplest
from gradassay._limits import PRECISIONS
from gradassay._record import Verdict
from gradassay._single import in_memory, verify_case
from gradassay.views.check import explanation
from gradassay_lstm import spec
from gradassay_mse import spec as mse
from gradassay_numpy import FAULTS, Planted, faulty_backend, numpy_backend

SPECS: dict[str, Spec[Any, Any]] = {"lstm": spec, "mse": mse}
SUITES = ("smoke", "questions", "wide")
PLAIN_TO_SEE = 2.0**10  # unit roundoffs: a change of a tensor's largest element that no noise explains
NO_CASE = {("projection-omitted-in-dh", "mse")}  # no case of mse has a projection; those of lstm do
PAIRS = [(name, of) for name, planted in FAULTS.items() for of in planted.specs if (name, of) not in NO_CASE]
ASKED = [(name, of, dtype) for name, of in PAIRS for dtype in ("float64", "float32")]
oracle = in_memory()


def chosen(planted: Planted, of: str) -> dict[str, CaseTemplate]:
    """The simplest case of each suite that has what the fault needs."""
    need = Fault(planted.name, "", planted.seen, (), needs=planted.needs, minimum={"step": planted.steps})
    found = {suite: simplest(SPECS[of], need, suite) for suite in SUITES}
    return {suite: template for suite, template in found.items() if template is not None}


@cache_results
def found(name: str, of: str, suite: str, dtype: str) -> tuple[Verdict, ...]:
    template = chosen(FAULTS[name], of)[suite]
    return verify_case(faulty_backend(name), SPECS[of], template, dtype, oracle=oracle)


def gradients(backend: Any, case: Case) -> dict[str, Any]:
    model = backend.load(case.spec.name, case.config, case.parameters, Target(backend.name, "eager", "cpu", case.dtype))
    return dict(model.vjp(case.inputs, case.cotangents, case.differentiable)[1])


def changes(name: str, case: Case) -> dict[str, float]:
    """How much each gradient changes by the fault, as a fraction of the largest right value."""
    right, wrong = gradients(numpy_backend, case), gradients(faulty_backend(name), case)
    sizes = {tensor: float(np.max(np.abs(wrong[tensor] - right[tensor]))) for tensor in right}
    return {tensor: size / float(np.max(np.abs(right[tensor]))) for tensor, size in sizes.items() if size > 0.0}


def test_every_fault_has_a_case() -> None:
    assert {name for name, _ in PAIRS} == FAULTS.keys()
    assert {(name, of) for name in FAULTS for of in FAULTS[name].specs if not chosen(FAULTS[name], of)} == NO_CASE


@pytest.mark.parametrize(("name", "of", "dtype"), ASKED)
def test_a_fault_is_killed_and_the_right_tensors_are_named(name: str, of: str, dtype: str) -> None:
    for suite, template in chosen(FAULTS[name], of).items():
        verdicts = found(name, of, suite, dtype)
        failed = {v.tensor for v in verdicts if v.outcome == "failed"}
        changed = changes(name, build(SPECS[of], suite, template, dtype))
        assert changed, f"{name} changes nothing in {suite}/{template.name}"
        plain = {tensor for tensor, size in changed.items() if size > PLAIN_TO_SEE * PRECISIONS[dtype].roundoff}
        assert plain, f"{name} can hardly be seen in {suite}/{template.name}"
        assert plain <= failed <= changed.keys(), explanation(verdicts)
        assert {v.property for v in verdicts if v.outcome != "passed"} == {"gradients"}, "outputs are right"


@pytest.mark.parametrize(("name", "of", "dtype"), ASKED)
def test_in_one_layer_only_what_the_fault_is_said_to_spoil_is_wrong(name: str, of: str, dtype: str) -> None:
    planted = FAULTS[name]
    for suite, template in chosen(planted, of).items():
        failed = {v.tensor for v in found(name, of, suite, dtype) if v.outcome == "failed"}
        assert any(tensor.startswith(planted.spoils) for tensor in failed)
        if template.config.num_layers == 1:
            assert all(tensor.startswith(planted.spoils) for tensor in failed)


@pytest.mark.parametrize(("name", "of", "dtype"), ASKED)
def test_what_is_right_is_listed_beside_what_is_wrong(name: str, of: str, dtype: str) -> None:
    for suite in chosen(FAULTS[name], of):
        verdicts = [v for v in found(name, of, suite, dtype) if v.property == "gradients"]
        right = {v.tensor for v in verdicts if v.outcome == "passed"}
        for verdict in verdicts:
            assert set(verdict.still_right) == (right if verdict.outcome == "failed" else set())


@pytest.mark.parametrize("of", SPECS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_cases_pass_without_a_fault(of: str, dtype: str) -> None:
    asked = {
        (suite, template.name): template
        for planted in FAULTS.values()
        for suite, template in chosen(planted, of).items()
    }
    for template in asked.values():
        verdicts = verify_case(numpy_backend, SPECS[of], template, dtype, oracle=oracle)
        assert {verdict.outcome for verdict in verdicts} == {"passed"}, explanation(verdicts)

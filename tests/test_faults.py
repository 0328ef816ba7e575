"""Power: every planted fault is killed in every dtype, with the right tensors named, and nothing right is accused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache as cache_results
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradassay import Fault, Mode, Offer
from gradassay._cache import Cache
from gradassay._case import Case, build
from gradassay._fault import table
from gradassay._limits import PRECISIONS
from gradassay._power import FaultError, changes, check_changes, simplest
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._spec import CaseTemplate
from gradassay._target import DTYPES
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse

SUITES = ("smoke", "questions", "wide")
PROPERTIES = ("contract", "values", "gradients", "repeat", "untouched")
FAULTS = {fault.name: fault for fault in spec.faults}
ELEMENT = 80  # unit roundoffs: about the smallest relative error of a single element that a verdict sees
IN_DTYPE = [(fault.name, dtype) for fault in spec.faults for dtype in DTYPES if dtype in (fault.dtypes or DTYPES)]

# What must be in the catalogue, in words, whatever else is.
WANTED = {
    "gates i and f swapped": "gates-i-f-swapped",
    "c_n's cotangent dropped": "c_n-cotangent-dropped",
    "dc0 without its forget factor": "dc0-without-forget-factor",
    "carry detached at t = 16": "carry-detached-at-16",
    "db_hh zero in layer 2": "bias_hh-zero-in-layer-2",
    "W_hh transposed": "weight_hh-transposed",
    "reverse direction off by one step": "reverse-off-by-one",
    "a gradient scaled by 1 + 50u": "scaled-by-1-plus-50u",
    "mean for sum over the batch": "mean-for-sum",
    "stale buffer from an earlier call of another shape": "stale-buffer",
    "a compiled mode that runs eagerly": "compiled-runs-eagerly",
    "a structural zero that leaks 1e-3": "padding-leaks",
}

Run = Callable[[Fault | None, str, CaseTemplate], list[Verdict]]


def chosen(fault: Fault) -> dict[str, CaseTemplate]:
    """The simplest case of each suite in which the fault can show."""
    return {suite: template for suite in SUITES if (template := simplest(spec, fault, suite)) is not None}


@cache_results
def changed_by(name: str, suite: str, dtype: str) -> dict[str, float]:
    """What the fault changes in its case of a suite, found without any verdict."""
    fault = FAULTS[name]
    return check_changes(spec, fault, build(spec, suite, chosen(fault)[suite], dtype))


def verdicts(backend: Any, suite: str, case: str, cache: Cache, *targets: str) -> list[Verdict]:
    records = verify(
        [f"{backend.name}/{target}" for target in targets],
        objects=[backend],
        suites=[suite],
        cases=[case],
        properties=PROPERTIES,
        cache=cache,
    )
    return [record for record in records if isinstance(record, Verdict)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def run(cache: Cache) -> Run:
    """Ask a fault, or none, in all dtypes; each run is made once."""
    known: dict[tuple[str, str, str], list[Verdict]] = {}

    def ask(fault: Fault | None, suite: str, template: CaseTemplate) -> list[Verdict]:
        key = (fault.name if fault else "", suite, template.name)
        if key not in known:
            known[key] = verdicts(Simulated(spec, fault, features=FEATURES), suite, template.name, cache)
        return known[key]

    return ask


def of(found: list[Verdict], dtype: str) -> list[Verdict]:
    return [verdict for verdict in found if verdict.target.endswith(f"/{dtype}")]


def failed(found: list[Verdict]) -> set[str]:
    """Tensors that failed; other calls that a property makes on the way are other numbers, and left out."""
    return {verdict.tensor for verdict in found if verdict.outcome == "failed" and " of " not in verdict.tensor}


def passed(found: list[Verdict], property_name: str) -> set[str]:
    return {v.tensor for v in found if v.property == property_name and v.outcome == "passed"}


@pytest.mark.parametrize("words", WANTED)
def test_the_catalogue_has(words: str) -> None:
    assert WANTED[words] in FAULTS


def test_every_fault_has_a_case_and_a_source() -> None:
    assert len(FAULTS) == len(spec.faults), "two faults have one name"
    for fault in spec.faults:
        assert chosen(fault), f"no suite has a case in which {fault.name} can show"
        assert (fault.edits is None) != (fault.wrap is None), f"{fault.name} is either of the equations or of behaviour"
        assert fault.imitates == "none known" or "#" in fault.imitates


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_a_fault_is_killed_with_the_right_tensors_named(name: str, dtype: str, run: Run) -> None:
    fault = FAULTS[name]
    named = [failed(of(run(fault, suite, template), dtype)) for suite, template in chosen(fault).items()]
    assert any(set(fault.shows_in) <= tensors for tensors in named)


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_a_fault_is_killed_in_every_case_in_which_it_is_tried(name: str, dtype: str, run: Run) -> None:
    """It shows in the tensors it names there too, but for a change too small for one element in that dtype."""
    fault = FAULTS[name]
    for suite, template in chosen(fault).items():
        found, changed = of(run(fault, suite, template), dtype), changed_by(name, suite, dtype)
        assert {v.outcome for v in found} & {"failed", "errored"}, f"{name} lives in {suite}/{template.name}"
        for tensor in set(fault.shows_in) - failed(found):
            size = max(changed.get(tensor, 0.0), changed.get(f"d {tensor}", 0.0))
            assert 0.0 < size < ELEMENT * PRECISIONS[dtype].roundoff, f"{tensor} in {suite}/{template.name}"


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_no_tensor_is_accused_that_the_fault_does_not_change(name: str, dtype: str, run: Run) -> None:
    fault = FAULTS[name]
    for suite, template in chosen(fault).items():
        changed = {tensor.removeprefix("d ") for tensor in changed_by(name, suite, dtype)}
        assert failed(of(run(fault, suite, template), dtype)) <= changed


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_what_the_fault_leaves_alone_is_listed_as_still_right(name: str, dtype: str, run: Run) -> None:
    fault = FAULTS[name]
    for suite, template in chosen(fault).items():
        case = build(spec, suite, template, dtype)
        found, changed = of(run(fault, suite, template), dtype), changed_by(name, suite, dtype)
        right = {tensor for tensor in case.differentiable if f"d {tensor}" not in changed}
        for verdict in found:
            if verdict.property == "gradients" and verdict.outcome == "failed":
                assert right <= set(verdict.still_right) == passed(found, "gradients")
        if "ran" not in changed and not changed.keys() & set(case.outputs):
            assert passed(found, "values") == set(case.outputs), f"{name} is a fault of gradients alone"


def test_the_same_cases_pass_without_the_faults(run: Run) -> None:
    asked = {(suite, t.name): t for fault in spec.faults for suite, t in chosen(fault).items()}
    found = [verdict for (suite, _), template in asked.items() for verdict in run(None, suite, template)]
    assert {verdict.outcome for verdict in found} - {"blind"} == {"passed"}
    assert {(verdict.suite, verdict.case) for verdict in found} == asked.keys()
    assert {verdict.property for verdict in found} == set(PROPERTIES)
    assert {verdict.target.rsplit("/", 1)[1] for verdict in found} == set(DTYPES)


# --- single faults, looked at closely


@pytest.mark.parametrize("dtype", DTYPES)
def test_fifty_roundoffs_are_beyond_what_each_verdict_could_just_see(dtype: str, run: Run) -> None:
    fault = FAULTS["scaled-by-1-plus-50u"]
    for suite, template in chosen(fault).items():
        found = of(run(fault, suite, template), dtype)
        (verdict,) = (v for v in found if v.outcome == "failed" and " of " not in v.tensor)
        assert (verdict.property, verdict.tensor) == ("gradients", "weight_hh_l0")
        assert verdict.visible_whole is not None
        assert verdict.visible_whole < 50 * PRECISIONS[dtype].roundoff


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_leak_into_an_exact_zero_is_told_as_such(dtype: str, run: Run) -> None:
    fault = FAULTS["padding-leaks"]
    for suite, template in chosen(fault).items():
        found = of(run(fault, suite, template), dtype)
        (verdict,) = (v for v in found if v.property == "gradients" and v.outcome == "failed")
        assert verdict.tensor == "x"
        assert "elements that are exactly 0 are not" in verdict.reason
        assert verdict.worst is not None and verdict.worst.kind == "structural zero"
        assert float(verdict.worst.got) == pytest.approx(1e-3, rel=2 * PRECISIONS[dtype].roundoff)
        assert float(verdict.worst.want) == 0.0


def test_a_stale_buffer_is_seen_by_the_second_call_alone(run: Run) -> None:
    fault = FAULTS["stale-buffer"]
    for suite, template in chosen(fault).items():
        found = run(fault, suite, template)
        assert {v.property for v in found if v.outcome == "failed"} == {"repeat"}


def test_weights_changed_in_place_are_named(run: Run) -> None:
    fault = FAULTS["weights-changed-in-place"]
    for suite, template in chosen(fault).items():
        damage = [v for v in run(fault, suite, template) if v.property == "untouched" and v.outcome == "failed"]
        assert {v.tensor for v in damage} == {"weight_hh_l0"}
        assert all("changed during vjp" in v.reason for v in damage)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_detached_carry_shows_in_c0_where_the_cell_remembers(dtype: str, cache: Cache) -> None:
    """After sixteen steps of an ordinary cell, dc0 is smaller than bfloat16's rounding: there it shows in x alone."""
    backend = Simulated(mse, FAULTS["carry-detached-at-16"], features=FEATURES)
    found = verdicts(backend, "wide", "memory", cache, dtype)
    assert {"x", "h0", "c0"} <= failed(found)


@dataclass(frozen=True)
class Compiled(Simulated):
    """The same, as a mode that calls itself compiled and has to show evidence of it."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        (offer,) = super().offers
        return (replace(offer, modes=(Mode("compiled", {"executed": "simulated"}, compiled=True),)),)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_compiled_mode_that_runs_eagerly_is_errored_with_the_evidence(dtype: str, cache: Cache) -> None:
    fault = FAULTS["compiled-runs-eagerly"]
    found = verdicts(Compiled(spec, fault, features=FEATURES), "smoke", "plain", cache, dtype)
    assert {v.outcome for v in found} == {"errored"}
    assert {v.reason for v in found} == {
        "mode compiled did not run: the evidence should be executed=simulated, but is executed=eager"
    }
    honest = verdicts(Compiled(spec, features=FEATURES), "smoke", "plain", cache, dtype)
    assert {v.outcome for v in honest} == {"passed"}


# --- the check of the faults themselves


@pytest.fixture
def case() -> Case:
    return build(spec, "smoke", next(t for t in spec.suites()["smoke"] if t.name == "plain"), "float32")


def identity(**fields: Any) -> Fault:
    return Fault("identity", "nothing is wrong", "none known", ("x",), **fields)


def test_a_fault_of_the_equations_that_changes_nothing_is_an_error(case: Case) -> None:
    same: Mapping[str, Any] = {mark: lambda tape, value, where: value for mark in ("gates", "carry", "c_n", "x")}
    with pytest.raises(
        FaultError,
        match="the fault identity changes nothing in lstm/smoke/plain in float32: a fault should change something",
    ):
        check_changes(spec, identity(edits=lambda u: same), case)


def test_a_fault_of_behaviour_that_changes_nothing_is_an_error(case: Case) -> None:
    with pytest.raises(FaultError, match="the fault identity changes nothing"):
        check_changes(spec, identity(wrap=lambda dtype, model: model), case)


def test_a_fault_at_a_mark_that_does_not_exist_is_an_error(case: Case) -> None:
    with pytest.raises(FaultError, match="changes nothing"):
        check_changes(spec, identity(edits=lambda u: {"gate": lambda tape, value, where: tape.stop(value)}), case)


def test_a_fault_that_changes_other_tensors_than_it_says_is_an_error(case: Case) -> None:
    fault = identity(edits=lambda u: {"bias_hh": lambda tape, value, where: tape.stop(value)})
    with pytest.raises(
        FaultError, match="identity should show in x, but changes bias_hh_l0 alone in lstm/smoke/plain in float32"
    ):
        check_changes(spec, fault, case)


def test_changes_are_measured_against_the_largest_right_value(case: Case) -> None:
    double: Mapping[str, Any] = {"bias_hh": lambda tape, value, where: tape.splice(value, value * 2.0)}
    assert changes(spec, identity(edits=lambda u: double), case) == {"d bias_hh_l0": 1.0}


def test_a_fault_with_no_case_is_told_apart() -> None:
    endless = Fault("endless", "needs what no case has", "none known", ("x",), minimum={"step": 10**6})
    assert [simplest(spec, endless, suite) for suite in SUITES] == [None, None, None]


def test_cases_that_are_empty_are_never_chosen() -> None:
    for fault in spec.faults:
        for template in chosen(fault).values():
            assert all(np.prod(tensor.shape) for tensor in spec.tensors(template.config, template.call))


def test_the_page_of_faults_is_the_catalogue() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "faults.md").read_text(encoding="utf-8")
    assert table(spec.faults) in page, "docs/faults.md should hold gradassay._fault.table(gradassay_lstm.spec.faults)"

"""Faults looked at closely: killed in every dtype, with the right tensors named, and nothing right is accused.

That every fault of the catalogue is killed is `test_power.py`'s to show; here are those that a catalogue must have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache as cache_results
from pathlib import Path
from typing import Any

import pytest

from gradassay import Fault, Mode, Offer
from gradassay._case import build
from gradassay._changes import FaultError, fits, simplest, tensor_of
from gradassay._fault import scan, table
from gradassay._limits import PRECISIONS
from gradassay._plan import Question
from gradassay._power import Asked, Bench
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._single import in_memory
from gradassay._spec import CaseTemplate
from gradassay._target import DTYPES
from gradassay.properties import properties as generic
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse

SUITES = ("smoke", "questions", "wide")
PROPERTIES = ("contract", "values", "gradients", "repeat", "untouched")
CATALOGUE = {fault.name: fault for fault in spec.faults}
ELEMENT = 80  # unit roundoffs: about the smallest relative error of a single element that a verdict sees

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

FAULTS = {name: CATALOGUE[name] for name in (*WANTED.values(), "weights-changed-in-place")}
IN_DTYPE = [(name, dtype) for name in FAULTS for dtype in DTYPES]


@cache_results
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, SUITES, ORACLE)


ORACLE = in_memory()


def chosen(fault: Fault) -> dict[str, CaseTemplate]:
    """The simplest case of each suite in which the fault can show."""
    return {suite: template for suite in SUITES if (template := simplest(spec, fault, suite)) is not None}


def question(suite: str, template: CaseTemplate) -> Question:
    asked = [generic()[name] for name in PROPERTIES if template.thorough or not generic()[name].thorough]
    return Question(spec, suite, template, tuple(asked))


@cache_results
def asked(name: str, suite: str, dtype: str) -> Asked:
    return bench(dtype).ask(question(suite, chosen(FAULTS[name])[suite]), FAULTS[name])


def run(fault: Fault, suite: str, dtype: str) -> list[Verdict]:
    return list(asked(fault.name, suite, dtype).verdicts)


@cache_results
def changed_by(name: str, suite: str, dtype: str) -> dict[str, float]:
    """What the fault changes in its case of a suite, found without any verdict."""
    return bench(dtype).check_changes(question(suite, chosen(FAULTS[name])[suite]), FAULTS[name])


def failed(found: list[Verdict]) -> set[str]:
    """Tensors that failed; other calls that a property makes on the way are other numbers, and left out."""
    return {verdict.tensor for verdict in found if verdict.outcome == "failed" and " of " not in verdict.tensor}


def named(found: list[Verdict]) -> set[str]:
    """Tensors that failed in any call."""
    return {verdict.tensor.partition(" of ")[0] for verdict in found if verdict.outcome == "failed"}


def passed(found: list[Verdict], property_name: str) -> set[str]:
    return {v.tensor for v in found if v.property == property_name and v.outcome == "passed"}


@pytest.mark.parametrize("words", WANTED)
def test_the_catalogue_has(words: str) -> None:
    assert WANTED[words] in CATALOGUE


def test_every_fault_has_a_case_and_a_source() -> None:
    for fault in spec.faults:
        every = (template for suite in spec.suites().values() for template in suite)
        assert any(fits(spec, fault, template) for template in every), f"no suite has a case for {fault.name}"
        assert (fault.edits is None) != (fault.wrap is None), f"{fault.name} is either of the equations or of behaviour"
        assert fault.imitates == "none known" or "#" in fault.imitates


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_a_fault_is_killed_with_the_right_tensors_named(name: str, dtype: str) -> None:
    fault = FAULTS[name]
    assert any(set(fault.shows_in) <= named(run(fault, suite, dtype)) for suite in chosen(fault))


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_a_fault_is_killed_in_every_case_in_which_it_is_tried(name: str, dtype: str) -> None:
    """It shows in the tensors it names there too, but for a change too small for one element in that dtype."""
    fault = FAULTS[name]
    for suite, template in chosen(fault).items():
        found, changed = run(fault, suite, dtype), changed_by(name, suite, dtype)
        assert {v.outcome for v in found} & {"failed", "errored"}, f"{name} lives in {suite}/{template.name}"
        for tensor in set(fault.shows_in) - named(found):
            size = max(changed.get(tensor, 0.0), changed.get(f"d {tensor}", 0.0))
            assert 0.0 < size < ELEMENT * PRECISIONS[dtype].roundoff, f"{tensor} in {suite}/{template.name}"


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_no_tensor_is_accused_that_the_fault_does_not_change(name: str, dtype: str) -> None:
    fault = FAULTS[name]
    for suite in chosen(fault):
        changed = {tensor_of(tensor) for tensor in changed_by(name, suite, dtype)}
        assert failed(run(fault, suite, dtype)) <= changed


@pytest.mark.parametrize(("name", "dtype"), IN_DTYPE)
def test_what_the_fault_leaves_alone_is_listed_as_still_right(name: str, dtype: str) -> None:
    fault = FAULTS[name]
    for suite, template in chosen(fault).items():
        case = build(spec, suite, template, dtype)
        found, changed = run(fault, suite, dtype), changed_by(name, suite, dtype)
        right = {tensor for tensor in case.differentiable if f"d {tensor}" not in changed}
        for verdict in found:
            if verdict.property == "gradients" and verdict.outcome == "failed":
                assert right <= set(verdict.still_right) == passed(found, "gradients")
        if "ran" not in changed and not changed.keys() & set(case.outputs):
            assert passed(found, "values") == set(case.outputs), f"{name} is a fault of gradients alone"


def test_the_same_cases_pass_without_the_faults() -> None:
    cases = {(suite, template.name): template for fault in FAULTS.values() for suite, template in chosen(fault).items()}
    found = [
        verdict
        for dtype in DTYPES
        for (suite, _), template in cases.items()
        for verdict in bench(dtype).right(question(suite, template)).verdicts
    ]
    assert {verdict.outcome for verdict in found} - {"blind"} == {"passed"}
    assert {(verdict.suite, verdict.case) for verdict in found} == cases.keys()
    assert {verdict.property for verdict in found} == set(PROPERTIES)
    assert {verdict.target.rsplit("/", 1)[1] for verdict in found} == set(DTYPES)


# --- single faults, looked at closely


@pytest.mark.parametrize("dtype", DTYPES)
def test_fifty_roundoffs_are_beyond_what_each_verdict_could_just_see(dtype: str) -> None:
    fault = FAULTS["scaled-by-1-plus-50u"]
    for suite in chosen(fault):
        found = run(fault, suite, dtype)
        (verdict,) = (v for v in found if v.outcome == "failed" and " of " not in v.tensor)
        assert (verdict.property, verdict.tensor) == ("gradients", "weight_hh_l0")
        assert verdict.visible_whole is not None
        assert verdict.visible_whole < 50 * PRECISIONS[dtype].roundoff


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_leak_into_an_exact_zero_is_told_as_such(dtype: str) -> None:
    fault = FAULTS["padding-leaks"]
    for suite in chosen(fault):
        found = run(fault, suite, dtype)
        (verdict,) = (v for v in found if v.property == "gradients" and v.outcome == "failed")
        assert verdict.tensor == "x"
        assert "elements that are exactly 0 are not" in verdict.reason
        assert verdict.worst is not None and verdict.worst.kind == "structural zero"
        assert float(verdict.worst.got) == pytest.approx(1e-3, rel=2 * PRECISIONS[dtype].roundoff)
        assert float(verdict.worst.want) == 0.0


def test_a_stale_buffer_is_seen_by_the_second_call_alone() -> None:
    fault = FAULTS["stale-buffer"]
    for suite in chosen(fault):
        found = run(fault, suite, "float32")
        assert {v.property for v in found if v.outcome == "failed"} == {"repeat"}


def test_weights_changed_in_place_are_named() -> None:
    fault = FAULTS["weights-changed-in-place"]
    for suite in chosen(fault):
        damage = [v for v in run(fault, suite, "float32") if v.property == "untouched" and v.outcome == "failed"]
        assert {v.tensor for v in damage} == {"weight_hh_l0"}
        assert all("changed during vjp" in v.reason for v in damage)


def verdicts(backend: Simulated, suite: str, case: str, dtype: str) -> list[Verdict]:
    records = verify(
        [f"{backend.name}/{dtype}"],
        objects=[backend],
        suites=[suite],
        cases=[case],
        properties=PROPERTIES,
        cache=ORACLE.cache,
        diagnose=False,
    )
    return [record for record in records if isinstance(record, Verdict)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_detached_carry_shows_in_c0_where_the_cell_remembers(dtype: str) -> None:
    """After sixteen steps of an ordinary cell, dc0 is smaller than bfloat16's rounding: there it shows in x alone."""
    backend = Simulated(mse, FAULTS["carry-detached-at-16"], features=FEATURES)
    found = verdicts(backend, "wide", "memory", dtype)
    assert {"x", "h0", "c0"} <= failed(found)


@dataclass(frozen=True)
class Compiled(Simulated):
    """The same, as a mode that calls itself compiled and has to show evidence of it."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        (offer,) = super().offers
        return (replace(offer, modes=(Mode("compiled", {"executed": "simulated"}, compiled=True),)),)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_compiled_mode_that_runs_eagerly_is_errored_with_the_evidence(dtype: str) -> None:
    fault = FAULTS["compiled-runs-eagerly"]
    found = verdicts(Compiled(spec, fault, features=FEATURES), "smoke", "plain", dtype)
    assert {v.outcome for v in found} == {"errored"}
    assert {v.reason for v in found} == {
        "mode compiled did not run: the evidence should be executed=simulated, but is executed=eager"
    }
    honest = verdicts(Compiled(spec, features=FEATURES), "smoke", "plain", dtype)
    assert {v.outcome for v in honest} == {"passed"}


# --- the check of the faults themselves


PLAIN = replace(
    question("smoke", next(template for template in spec.suites()["smoke"] if template.name == "plain")),
    properties=(generic()["values"], generic()["gradients"]),
)


def identity(**fields: Any) -> Fault:
    return Fault("identity", "nothing is wrong", "none known", ("x",), **fields)


def check(fault: Fault) -> dict[str, float]:
    return bench("float32").check_changes(PLAIN, fault)


def test_a_fault_of_the_equations_that_changes_nothing_is_an_error() -> None:
    same: Mapping[str, Any] = {mark: lambda tape, value, where: value for mark in ("gates", "carry", "c_n", "x")}
    with pytest.raises(
        FaultError,
        match="the fault identity changes nothing in lstm/smoke/plain in float32: a fault should change something",
    ):
        check(identity(edits=lambda u: same))


def test_a_fault_of_behaviour_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(FaultError, match="the fault identity changes nothing"):
        check(identity(wrap=lambda dtype, model: model))


def test_a_fault_at_a_mark_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FaultError, match="changes nothing"):
        check(identity(edits=lambda u: {"gate": lambda tape, value, where: tape.stop(value)}))


def test_a_fault_that_changes_other_tensors_than_it_says_is_an_error() -> None:
    fault = identity(edits=lambda u: {"bias_hh": lambda tape, value, where: tape.stop(value)})
    with pytest.raises(
        FaultError, match="identity should show in x, but changes d bias_hh_l0 alone in lstm/smoke/plain in float32"
    ):
        check(fault)


def test_changes_are_measured_against_the_largest_right_value() -> None:
    double: Mapping[str, Any] = {"bias_hh": lambda tape, value, where: tape.splice(value, value * 2.0)}
    assert bench("float32").changes(PLAIN, identity(edits=lambda u: double)) == {"d bias_hh_l0": 1.0}


@pytest.mark.parametrize(
    ("name", "property_name", "changed"),
    [
        ("carry-gate-constant-at-second-order", "hvp", "second d c0"),
        ("tangents-dropped", "jvp", "tangent of y"),
        ("jacobian-with-one-column-wrong", "jacobian", "jacobian"),
        ("weights-changed-in-place", "untouched", "in place: weight_hh_l0"),
        ("reseeds-the-callers-generator", "random", "random state: numpy"),
        ("bias-gradients-are-one-array", "memory", "shared: gradient of bias_ih_l0 and gradient of bias_hh_l0"),
        ("gradients-in-the-last-calls-arrays", "memory", "overwritten: gradient of x"),
    ],
)
def test_what_a_fault_changes_is_found_wherever_it_shows(name: str, property_name: str, changed: str) -> None:
    alone = replace(PLAIN, properties=(generic()[property_name],))
    assert changed in bench("float64").changes(alone, CATALOGUE[name])


def test_a_fault_with_no_case_is_told_apart() -> None:
    endless = Fault("endless", "needs what no case has", "none known", ("x",), minimum={"step": 10**6})
    assert [simplest(spec, endless, suite) for suite in SUITES] == [None, None, None]


def test_empty_cases_are_chosen_for_faults_of_empty_cases_alone() -> None:
    for fault in spec.faults:
        for suite, templates in spec.suites().items():
            for template in (template for template in templates if fits(spec, fault, template)):
                tensors = spec.tensors(template.config, template.call)
                nothing = any(0 in tensor.shape for tensor in tensors)
                assert not nothing or fault.needs & {"no_batch", "no_steps", "zero_length"}, (fault.name, suite)


def test_two_faults_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a_one.py").write_text("from gradassay import Fault\nfaults = (Fault('same', '', ''),)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import twice  # type: ignore[import-not-found]  # made here

    assert [(fault.name, fault.group) for fault in scan(twice)] == [("same", "A")]
    (folder / "b_two.py").write_text("from a_one import faults\n".replace("a_one", "twice.a_one"))
    with pytest.raises(ValueError, match=r"two faults are called same; the second is in b_two\.py"):
        scan(twice)


def test_the_page_of_faults_is_the_catalogue() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "faults.md").read_text(encoding="utf-8")
    assert table(spec.faults) in page, "docs/faults.md should hold gradassay._fault.table(gradassay_lstm.spec.faults)"

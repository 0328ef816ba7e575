"""What will be asked: selections, their errors, the pool of compiled modes, and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gradassay._backend import Gap, Mode, Offer
from gradassay._errors import UsageError
from gradassay._plan import AGREEMENT, ON_REQUEST, SWEPT, Plan, plan
from gradassay._property import Finding, Property
from gradassay._target import DTYPES, Target, parse_targets
from gradassay.properties import properties, properties_of
from gradassay_lstm import LSTM, spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse

EVERYTHING = frozenset({"forward", "vjp", "jvp", "jacobian", "hvp"})
MODES = (Mode("eager"), Mode("compile", {"graphs": "1"}, compiled=True), Mode("slow", compiled=True, sweep=True))


@dataclass(frozen=True)
class Offering:
    """A backend that is never run: nothing but offers."""

    name: str
    offers: tuple[Offer, ...]


def offer(model: str = "lstm", **changes: Any) -> Offer:
    return replace(Offer(model, FEATURES, MODES, DTYPES, ("cpu",), EVERYTHING), **changes)


def laid(
    texts: tuple[str, ...] = (), offers: tuple[Offer, ...] | None = None, specs: Any = None, **options: Any
) -> Plan:
    backend = Offering("toy", (offer(), offer("mse")) if offers is None else offers)
    targets = parse_targets(texts, {"toy": backend.offers}, sweep=options.get("sweep", False))
    known: Mapping[str, Any] = {"lstm": spec, "mse": mse} if specs is None else specs
    return plan(targets, {"toy": backend}, known, **options)  # type: ignore[dict-item]


def asked(found: Plan, target: str) -> dict[str, list[str]]:
    """Return the names of the cases of each spec that a target is asked about."""
    jobs = [job for job in found.jobs["toy"] if str(job.target) == target]
    return {job.offer.spec: [question.template.name for question in job.questions] for job in jobs}


def test_everything_by_default() -> None:
    found = laid(("toy/eager/float32",))
    assert set(found.suites) == {s for table in (spec.suites(), mse.suites()) for s in table} - ON_REQUEST
    assert found.properties == (*properties(), *(p.name for p in spec.properties), AGREEMENT)
    cases = asked(found, "toy/eager/cpu/float32")
    for model in (spec, mse):
        wanted = [t.name for s, templates in model.suites().items() if s not in ON_REQUEST for t in templates]
        assert cases[model.name] == wanted


def test_one_suite_one_case_some_properties() -> None:
    found = laid(
        ("toy/eager/float32",), suites=["smoke"], cases=["plain"], properties=["gradients", "values", "gradients"]
    )
    assert (found.suites, found.properties) == (("smoke",), ("gradients", "values"))
    assert asked(found, "toy/eager/cpu/float32") == {"lstm": ["plain"], "mse": ["plain"]}
    assert found.planned == {"toy/eager/cpu/float32": 4}


def test_a_property_is_planned_where_it_applies() -> None:
    found = laid(("toy/eager/float32",), suites=["smoke"], properties=["jacobian"])
    assert asked(found, "toy/eager/cpu/float32")["lstm"] == ["one", "plain", "ragged", "absent-states"]


def test_questions_draw_their_data_in_the_dtype_asked_for() -> None:
    found = laid(("toy/eager/float32",), suites=["smoke"], cases=["plain"], specs={"lstm": spec})
    question = found.jobs["toy"][0].questions[0]
    assert question.case("bfloat16").tensors["x"].dtype.name == "bfloat16" and question.case("float32").id == (
        "lstm/smoke/plain"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suites": ["smok"]}, r"there is no suite `smok`: there are .*smoke.*; did you mean `smoke`\?"),
        ({"suites": ["smoke"], "cases": ["plane"]}, r"there is no case `plane`: .*; did you mean `plain`\?"),
        ({"cases": ["nowhere"]}, "there is no case `nowhere`: there are "),
        ({"suites": ["questions"], "cases": ["no-bias"]}, "there is no case `no-bias`"),
        ({"properties": ["gradient"]}, r"there is no property `gradient`: .*; did you mean `gradients`"),
        (
            {"suites": ["smoke"], "cases": ["no-bias"], "properties": ["jacobian"]},
            "nothing to verify: no target offers a spec with a case and a property of this selection",
        ),
        ({"specs": {}}, "nothing to verify"),
    ],
)
def test_a_selection_that_cannot_be_says_what_could(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        laid(**options)


def test_a_spec_that_no_target_offers_is_nothing_to_verify() -> None:
    with pytest.raises(UsageError, match="nothing to verify"):
        laid(offers=(offer("lstm"),), specs={"mse": mse})


def test_agreement_alone_needs_properties_to_compare() -> None:
    """It is asked of pairs, and has no questions of its own."""
    with pytest.raises(UsageError, match="nothing to verify"):
        laid(properties=[AGREEMENT])


def test_a_dtype_or_mode_that_one_offer_lacks_is_not_asked_of_it() -> None:
    offers = (offer(), offer("mse", dtypes=("float64",), modes=MODES[:1]))
    found = laid(offers=offers, suites=["smoke"])
    assert set(asked(found, "toy/eager/cpu/float64")) == {"lstm", "mse"}
    assert set(asked(found, "toy/eager/cpu/float32")) == {"lstm"}
    assert set(asked(found, "toy/compile/cpu/float64")) == {"lstm"}


# --- compiled modes


def pool() -> list[str]:
    return [t.name for s, ts in spec.suites().items() if s not in ON_REQUEST for t in ts if t.pool]


def test_a_compiled_mode_gets_one_case_of_the_pool_for_each_dtype() -> None:
    found = laid(specs={"lstm": spec})
    chosen = [asked(found, f"toy/compile/cpu/{dtype}")["lstm"] for dtype in DTYPES]
    assert all(len(cases) == 1 and cases[0] in pool() for cases in chosen)
    assert len({cases[0] for cases in chosen}) == min(len(pool()), len(DTYPES))  # another shape for each dtype
    shapes = {(t.config, t.call) for ts in spec.suites().values() for t in ts if t.pool}
    assert len(shapes) <= 3  # compilation must not eat the run


def test_the_pool_is_of_cases_that_the_offer_can_do() -> None:
    plain = offer(features=frozenset())
    found = laid(offers=(plain,), specs={"lstm": spec})
    for dtype in DTYPES:
        (name,) = asked(found, f"toy/compile/cpu/{dtype}")["lstm"]
        (template,) = {repr(t): t for ts in spec.suites().values() for t in ts if t.name == name and t.pool}.values()
        assert not spec.features(template.config, template.call)


def test_a_gap_of_a_mode_narrows_its_pool() -> None:
    gap = Gap("graphs break", modes=frozenset({"compile"}), features=frozenset({"ragged", "layers"}))
    found = laid(offers=(offer(gaps=(gap,)),), specs={"lstm": spec})
    cases = {asked(found, f"toy/compile/cpu/{dtype}")["lstm"][0] for dtype in DTYPES}
    templates = [t for ts in spec.suites().values() for t in ts if t.name in cases and t.pool]
    assert not [t for t in templates if spec.features(t.config, t.call) & gap.features]


def test_without_a_pool_a_compiled_mode_is_asked_nothing() -> None:
    gap = Gap("graphs break", modes=frozenset({"compile"}))
    found = laid(offers=(offer(gaps=(gap,)),), specs={"lstm": spec})
    assert asked(found, "toy/compile/cpu/float32") == {"lstm": []}
    assert asked(found, "toy/eager/cpu/float32")["lstm"] and found.planned["toy/compile/cpu/float32"] == 0


@pytest.mark.parametrize("options", [{"sweep": True}, {"cases": ["no-bias"]}])
def test_a_sweep_or_a_named_case_is_asked_of_compiled_modes_too(options: Any) -> None:
    found = laid(suites=["smoke"], specs={"lstm": spec}, **options)
    eager, compiled = (asked(found, f"toy/{mode}/cpu/float32")["lstm"] for mode in ("eager", "compile"))
    assert eager == compiled and eager


def test_a_sweep_has_the_long_suites_and_asks_thorough_properties_of_their_thorough_cases() -> None:
    found = laid(("toy/eager/float32",), sweep=True, specs={"lstm": spec})
    assert set(found.suites) == set(spec.suites()) - (ON_REQUEST - SWEPT) and "rungs" not in found.suites
    (job,) = found.jobs["toy"]
    second = {(q.suite, q.template.name) for q in job.questions if any(p.name == "hvp" for p in q.properties)}
    suites = {suite: {(suite, t.name) for t in templates} for suite, templates in spec.suites().items()}
    assert second >= suites["smoke"] | suites["wide"]
    for suite in SWEPT:
        assert second & suites[suite] == {(suite, t.name) for t in spec.suites()[suite] if t.thorough}


def test_a_sweep_asks_the_long_suites_of_compiled_modes_in_one_dtype() -> None:
    found = laid(sweep=True, specs={"lstm": spec})

    def long(target: str) -> bool:
        (job,) = (job for job in found.jobs["toy"] if str(job.target) == target)
        return bool(SWEPT & {question.suite for question in job.questions})

    assert [dtype for dtype in DTYPES if long(f"toy/compile/cpu/{dtype}")] == ["float32"]
    assert all(long(f"toy/eager/cpu/{dtype}") for dtype in DTYPES)
    assert all(set(pool()) < set(asked(found, f"toy/compile/cpu/{dtype}")["lstm"]) for dtype in DTYPES)
    named = laid(sweep=True, suites=["cover"], specs={"lstm": spec})
    assert len(asked(named, "toy/compile/cpu/float64")["lstm"]) == len(spec.suites()["cover"])


@pytest.mark.parametrize("suite", sorted(ON_REQUEST))
def test_a_suite_on_request_is_run_by_name(suite: str) -> None:
    found = laid(("toy/eager/float32",), suites=[suite], specs={"lstm": spec})
    assert asked(found, "toy/eager/cpu/float32")["lstm"] == [template.name for template in spec.suites()[suite]]


def test_a_mode_that_one_offer_has_for_sweeps_is_not_asked_of_it_because_another_has_it_for_every_run() -> None:
    for_sweeps = offer("mse", modes=(Mode("eager", sweep=True), Mode("compile", {"graphs": "1"}, compiled=True)))
    offers, target = (offer(), for_sweeps), "toy/eager/cpu/float32"
    assert set(asked(laid(offers=offers, suites=["smoke"]), target)) == {"lstm"}
    assert set(asked(laid(offers=offers, suites=["smoke"], sweep=True), target)) == {"lstm", "mse"}
    named = laid(("toy/eager",), offers=offers, suites=["smoke"], typed=frozenset({"eager"}))
    assert set(asked(named, target)) == {"lstm", "mse"}
    assert set(asked(laid(("toy/eager",), offers=(for_sweeps,), specs={"mse": mse}), target)) == {"mse"}


def test_modes_for_sweeps_are_planned_in_sweeps_alone() -> None:
    assert not [t for t in laid(suites=["smoke"]).targets if t.mode == "slow"]
    assert [t for t in laid(suites=["smoke"], sweep=True).targets if t.mode == "slow"]
    assert Target("toy", "slow", "cpu", "float32") in laid(("toy/slow",), suites=["smoke"]).targets


# --- a spec's own


def test_the_properties_of_a_spec_are_asked_of_its_cases_alone() -> None:
    own = Property("own", "It holds.", "1 = 1", frozenset(), lambda *_: iter([Finding("all")]))
    narrow = replace(own, name="narrow", applies=lambda case: case.config == LSTM(1, 1))
    found = laid(
        ("toy/eager/float32",),
        suites=["smoke"],
        properties=["own", "narrow"],
        specs={"lstm": replace(spec, properties=(own, narrow)), "mse": mse},
    )
    (job,) = [job for job in found.jobs["toy"] if job.questions]
    names = {question.template.name: [p.name for p in question.properties] for question in job.questions}
    assert job.offer.spec == "lstm" and names["one"] == ["own", "narrow"] and names["plain"] == ["own"]


def test_suites_on_request_are_planned_when_they_are_named() -> None:
    template = spec.suites()["smoke"][0]
    own = replace(spec, suites=lambda: {"smoke": (template,), "calibration": (replace(template, name="ladder"),)})
    assert laid(specs={"lstm": own}).suites == ("smoke",)
    named = laid(("toy/eager/float32",), specs={"lstm": own}, suites=["calibration"])
    assert asked(named, "toy/eager/cpu/float32") == {"lstm": ["ladder"]}


def test_a_suite_without_a_case_of_the_pool_still_asks_a_compiled_mode() -> None:
    for suite in spec.suites():
        cases = asked(laid(("toy/compile/float32",), suites=[suite]), "toy/compile/cpu/float32")
        assert len(cases["lstm"]) == 1, suite


def test_a_backend_that_only_compiles_is_asked_about_every_option_in_float64() -> None:
    compiled = (Mode("jit", compiled=True), Mode("other", compiled=True))
    found = laid(offers=(offer(modes=compiled, devices=("cpu", "cpu:1")),))
    smoke = [template.name for template in spec.suites()["smoke"]]
    assert set(smoke) <= set(asked(found, "toy/jit/cpu/float64")["lstm"])
    for target in ("toy/jit/cpu/float32", "toy/other/cpu/float64", "toy/jit/cpu:1/float64"):
        assert len(asked(found, target)["lstm"]) == 1


def test_an_offer_is_asked_on_its_own_devices_alone() -> None:
    offers = (offer(devices=("cpu",)), offer(devices=("cuda",), dtypes=("float16",)))
    found = laid(("toy/eager/cuda/float16",), offers)
    assert [job.offer.devices for job in found.jobs["toy"]] == [("cuda",)]


def test_a_specs_own_property_may_not_take_the_name_of_a_generic_one():
    clashing = replace(spec, properties=(replace(spec.properties[0], name="values"),))
    with pytest.raises(UsageError, match="the spec lstm has a property `values`, which is the name of a generic one"):
        properties_of(clashing)


def test_in_a_mode_that_compiles_what_needs_further_graphs_is_asked_in_one_dtype():
    """The first mode here is as written: it is asked everything in every dtype."""
    asked = {
        (job.target.mode, job.target.dtype): {p.name for question in job.questions for p in question.properties}
        for job in laid(("toy",), specs={"lstm": spec}).jobs["toy"]
    }
    dear = {one.name for one in (*properties().values(), *spec.properties) if one.compiles}
    assert {"losses", "wrt", "stack", "hvp"} <= dear
    assert asked["compile", "float32"] & dear
    assert not asked["compile", "float64"] & dear
    assert {"gradients", "linearity"} <= asked["compile", "float64"]
    assert dear <= asked["eager", "float64"]


def test_in_16_bits_thorough_properties_get_the_cases_of_the_pool():
    asked = {
        job.target.dtype: {
            question.template.name for question in job.questions if any(p.thorough for p in question.properties)
        }
        for job in laid(("toy/eager",), specs={"lstm": spec}).jobs["toy"]
    }
    pool = {template.name for suite in spec.suites().values() for template in suite if template.pool}
    assert asked["float16"] == asked["bfloat16"] == pool
    assert pool < asked["float32"] == asked["float64"]
    named = laid(("toy/eager/float16",), specs={"lstm": spec}, properties=("hvp",)).jobs["toy"]
    assert len(named[0].questions) > len(pool)

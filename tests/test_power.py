"""Power: every planted fault is killed, and what is right in another way is not accused.

What was measured is committed under `reports/power/`; here each fault is asked its first deadly question again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gradassay import Fault, _plugins
from gradassay._errors import UsageError
from gradassay._measure import Report, measure, read
from gradassay._plan import Question
from gradassay._power import Bench, Outcome, ordered
from gradassay._single import in_memory
from gradassay._visible import visible
from gradassay.cli import main
from gradassay.views.power import Rival, Rivals, lines, markdown_of, read_rivals
from gradassay_lstm import spec

FOLDER = Path(__file__).parents[1] / "reports" / "power"
REPORT = read(FOLDER / "power.json")
FAULTS = {fault.name: fault for fault in spec.faults}
TABLE = {outcome.fault: outcome for outcome in reversed(REPORT.outcomes)}  # in the first dtype that each has
GROUPS = set("ABCDEFGHJKLMNOPQR")  # of public bugs; S is what is no bug


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ordered(spec), in_memory())


def first_question(outcome: Outcome) -> Question:
    """The case that killed, and of all properties that did the first that needs no other."""
    assert outcome.killed is not None
    asked = bench(outcome.dtype).questions[outcome.killed.suite]
    (question,) = (q for q in asked if q.template.name == outcome.killed.case)
    name = outcome.killed.alone
    return replace(question, properties=tuple(p for p in question.properties if name in (p.name, "")))


@pytest.mark.parametrize("name", TABLE)
def test_a_fault_of_the_table_is_killed_by_its_first_deadly_question(name: str) -> None:
    here, question = bench(TABLE[name].dtype), first_question(TABLE[name])
    assert not here.right(question).accused, f"{question.template.name} accuses what is right"
    asked = [property_.name for property_ in question.properties]
    assert here.kills(question, FAULTS[name], ""), f"{name} survives {', '.join(asked)} of {question.template.name}"


def test_every_fault_of_the_catalogue_is_in_the_table() -> None:
    assert {(one.name, one.group, one.sentence, one.imitates) for one in REPORT.faults} == {
        (fault.name, fault.group, fault.sentence, fault.imitates) for fault in spec.faults
    }
    asked = {(outcome.fault, outcome.dtype) for outcome in REPORT.outcomes}
    first = REPORT.dtypes[0]
    assert asked >= {(fault.name, first) for fault in spec.faults if first in (fault.dtypes or (first,))}
    assert set(TABLE) == set(FAULTS)
    assert {one.name for one in REPORT.variants} == {variant.name for variant in spec.benign}


def test_every_fault_of_the_table_is_killed_and_nothing_right_accused() -> None:
    assert REPORT.survivors == () and REPORT.false_alarms == 0
    assert REPORT.well
    assert all(one.verdicts > 100 for one in REPORT.benign)


def test_every_fault_of_the_table_changes_the_tensors_it_says() -> None:
    for outcome in REPORT.outcomes:
        assert outcome.killed is not None
        changed = {name.removeprefix("in place: ").rpartition(" ")[2] for name in outcome.killed.changes}
        if outcome.dtype == REPORT.dtypes[0]:
            assert set(FAULTS[outcome.fault].shows_in) <= changed, outcome.fault


def test_the_catalogue_covers_every_group_of_public_bugs() -> None:
    assert {fault.group for fault in spec.faults} == GROUPS
    assert {variant.group for variant in spec.benign} == {"S"}
    assert len(spec.faults) >= 60
    imitated = {fault.imitates for fault in spec.faults} - {"none known"}
    assert len(imitated) >= 60 and all("#" in imitates and "/" in imitates for imitates in imitated)


def test_every_property_is_the_first_to_see_a_fault_or_sees_one() -> None:
    seeing = {name for outcome in REPORT.outcomes if outcome.killed for name in outcome.killed.everywhere}
    assert len(seeing) >= 20, sorted(seeing)


def test_the_page_is_made_of_the_report() -> None:
    rivals = FOLDER / "rivals.json"
    told = markdown_of(REPORT, read_rivals(rivals) if rivals.exists() else None)
    assert FOLDER.joinpath("README.md").read_text(encoding="utf-8") == told, (
        "reports/power/README.md should be what `gradassay power --from power.json --markdown README.md` writes"
    )


# --- the measurement itself


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the spec other faults."""

    def plant(*faults: Fault, benign: tuple[Fault, ...] = ()) -> None:
        changed = SimpleNamespace(load=lambda: replace(spec, faults=faults, benign=benign))
        find = _plugins.find
        monkeypatch.setattr(_plugins, "find", lambda kind, name: changed if name == "lstm" else find(kind, name))
        monkeypatch.setattr("gradassay._measure._bench", _fresh)

    return plant


def _fresh(name: str, dtype: str, suites: tuple[str, ...]) -> Bench:
    return Bench(_plugins.find("spec", name).load(), dtype, suites, in_memory())


def scaled(k: float) -> Fault:
    return Fault(
        f"scaled-by-{k}-u",
        "dW_hh is too large",
        "none known",
        edits=lambda u: {"weight_hh": lambda tape, v, where: tape.splice(v, v * (1.0 + k * u))},
    )


def test_a_fault_that_survives_makes_the_command_fail(planted: Callable[..., None]) -> None:
    planted(scaled(3.0), scaled(1000.0))
    found = CliRunner().invoke(main, ["power", "--suite", "questions", "--jobs", "1"])
    assert found.exit_code == 1, found.output
    assert "float64: 1 of 2 faults are killed" in found.output
    assert "scaled-by-3.0-u" in found.output and "SURVIVES" in found.output
    assert "1 of 2 killed" in found.output


def test_a_fault_that_changes_nothing_is_told(planted: Callable[..., None]) -> None:
    planted(Fault("identity", "nothing is wrong", "none known", wrap=lambda dtype, model: model))
    report = measure("lstm", suites=["questions"], faults=["identity"], jobs=1)
    assert not report.well
    assert any("CHANGES NOTHING" in line.text for line in lines(report))


def test_a_right_variant_that_is_accused_makes_the_report_fail(planted: Callable[..., None]) -> None:
    planted(scaled(1000.0), benign=(replace(scaled(2000.0), name="not-so-right"),))
    report = measure("lstm", suites=["questions"], jobs=1)
    assert not report.survivors and not report.well
    (variant,) = (one for one in report.benign if one.variant == "not-so-right")
    assert any("gradients weight_hh_l0" in alarm for alarm in variant.false_alarms)
    (right,) = (one for one in report.benign if one.variant == "as-they-are")
    assert right.false_alarms == () and right.verdicts > 100


def test_the_whole_suite_is_asked_on_demand() -> None:
    here = bench("float64")
    fault = FAULTS["c_n-cotangent-dropped"]
    first, whole = here.run(fault), Bench(spec, "float64", ("questions",), here.oracle).run(fault, whole=True)
    assert first.killed is not None and whole.killed is not None
    assert (first.killed.suite, first.killed.case, first.killed.cases) == ("smoke", "one", 1)
    assert first.killed.everywhere == first.killed.properties
    assert set(whole.killed.properties) < set(whole.killed.everywhere)


def test_what_does_not_exist_is_told() -> None:
    with pytest.raises(UsageError, match=r"there is no fault mean-for-som of lstm; did you mean mean-for-sum\?"):
        measure("lstm", faults=["mean-for-som"])
    with pytest.raises(UsageError, match="there is no fault 123 of lstm; they are listed in docs/faults.md"):
        measure("lstm", faults=["123"])
    with pytest.raises(UsageError, match="there is no suite `smok`.*did you mean `smoke`"):
        measure("lstm", suites=["smok"])


def test_a_report_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read .*none.json: No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UsageError, match="other.json is no report of power: .*it should be made by `gradassay power"):
        read(tmp_path / "other.json")
    with pytest.raises(UsageError, match='other.json should hold {"rivals"'):
        read_rivals(tmp_path / "other.json")


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "again.json").write_bytes(msgspec.json.encode(REPORT))
    assert read(tmp_path / "again.json") == REPORT


def test_what_others_kill_stands_beside_it() -> None:
    names = ["mean-for-sum", "hangs"]
    few = msgspec.structs.replace(
        REPORT,
        faults=tuple(one for one in REPORT.faults if one.name in names),
        outcomes=tuple(one for one in REPORT.outcomes if one.fault in names and one.dtype == "float64"),
    )
    rivals = Rivals(
        {"plain": Rival("one layer", 0), "good": Rival("two layers", 3)},
        {"mean-for-sum": {"plain": False, "good": True}, "hangs": {"plain": "cannot run: it hangs"}},
    )
    rows = markdown_of(few, rivals).splitlines()
    (row,) = (row for row in rows if row.startswith("| A | `mean-for-sum`"))
    assert row.endswith("| - | yes |")
    (row,) = (row for row in rows if row.startswith("| R | `hangs`"))
    assert row.endswith("| cannot run: it hangs |  |")
    assert "| | **killed, of 2** | | | | **2** | **0** | **1** |" in rows
    assert "| | **false alarms** | | | | 0 | 0 | 3 |" in rows
    assert "* *good*: two layers" in rows


def test_the_smallest_error_that_a_property_sees_is_between_what_it_cannot_and_what_it_must() -> None:
    (whole, element) = visible(Bench(spec, "float32", ("smoke",), in_memory()), "gradients")
    assert (whole.extent, whole.kind, whole.later) == ("whole", "gradient", False)
    assert whole.k is not None and 2.0 < whole.k < 40.0
    assert element.k is not None and whole.k < element.k < 400.0


def test_the_options_are_the_readme_of_the_report() -> None:
    found = CliRunner().invoke(main, ["power", "--from", str(FOLDER / "power.json")])
    assert found.exit_code == 0, found.output
    assert f"{len(REPORT.outcomes)} of {len(REPORT.outcomes)} killed" in " ".join(found.output.split())


def test_the_report_is_json_for_others() -> None:
    raw: dict[str, Any] = json.loads((FOLDER / "power.json").read_bytes())
    assert raw["spec"] == "lstm" and {"fault", "dtype", "killed", "changed"} == set(raw["outcomes"][0])
    assert isinstance(REPORT, Report)

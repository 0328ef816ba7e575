"""The programs around recurrent layers, all alike: what each has to bring, and that the harness knows none of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import gradassay
from gradassay import _plugins
from gradassay._case import Case, build
from gradassay._fault import table
from gradassay._plan import Question
from gradassay._power import Bench
from gradassay._single import in_memory
from gradassay._spec import Spec
from gradassay.properties import properties_of

ROOT = Path(__file__).parent.parent
HARNESS = Path(gradassay.__file__).parent
PROGRAMS = ("classifier", "clip", "gru", "one_to_many", "rnn_tanh", "seq2seq", "truncated", "weighted_loss")
BACKENDS = ("torch", "tensorflow", "jax")


def spec_of(name: str) -> Spec[Any, Any]:
    (entry,) = entry_points(group="gradassay.specs", name=name)
    found: Spec[Any, Any] = entry.load()
    return found


# --- the harness knows none of them


def constants(source: str) -> Iterator[str]:
    """Yield the texts of a module that are values, docstrings apart."""
    tree = ast.parse(source)
    bodies = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    prose = {
        id(node.body[0].value)
        for node in bodies
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def named(source: str) -> set[str]:
    """The programs that a module names: as a value, or by a package of theirs."""
    return {name for text in constants(source) for name in PROGRAMS if text == name or f"gradassay_{name}" in text} | {
        name for name in PROGRAMS if f"import gradassay_{name}" in source or f"from gradassay_{name}" in source
    }


def test_nothing_in_the_harness_names_a_program() -> None:
    sources = sorted(HARNESS.rglob("*.py"))
    assert len(sources) > 100
    assert {str(path): found for path in sources if (found := named(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "if spec.name == 'gru': pass",
        "x = {'clip': 1}",
        "from gradassay_seq2seq import spec",
        "f('gradassay_truncated')",
    ],
)
def test_the_search_above_can_fail(source: str) -> None:
    assert len(named(source)) == 1


def test_the_search_above_can_pass() -> None:
    assert named('"""What a gru is."""\nname = "the gru of a paper"') == set()


@dataclass(frozen=True)
class Renamed:
    """A plugin that is found by a name that no entry point has."""

    spec: Spec[Any, Any]

    def load(self) -> Spec[Any, Any]:
        return self.spec


def outcomes(spec: Spec[Any, Any]) -> list[tuple[Any, ...]]:
    template = spec.suites()["smoke"][0]
    asked = tuple(p for p in properties_of(spec).values() if p.name in ("contract", "values", "gradients"))
    bench = Bench(spec, "float64", ("smoke",), in_memory())
    verdicts = bench.ask(Question(spec, "smoke", template, asked), None).verdicts
    return [(v.property, v.tensor, v.outcome, v.elements) for v in verdicts]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_by_another_name_is_judged_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the harness did for a name, it would not do for this one: outcomes and tensors stay the same."""
    spec = spec_of(name)
    other = replace(spec, name=f"another-{name}")
    find = _plugins.find
    monkeypatch.setattr(
        _plugins, "find", lambda kind, wanted: Renamed(other) if wanted == other.name else find(kind, wanted)
    )
    known = outcomes(spec)
    assert known == outcomes(other)
    assert {outcome for _, _, outcome, _ in known} == {"passed"}


# --- what each brings


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_a_distribution_with_everything(name: str) -> None:
    folder, spec = ROOT / "specs" / name, spec_of(name)
    assert (folder / f"gradassay_{name}" / "py.typed").exists()
    assert "normative" in (folder / "README.md").read_text(encoding="utf-8")
    suites = spec.suites()
    assert {"smoke", "questions"} <= suites.keys()
    assert all(template.question for template in suites["questions"])
    assert any(template.pool for template in suites["smoke"]) and any(template.thorough for template in suites["smoke"])
    assert spec.properties and len(spec.faults) >= 8 and spec.benign
    assert f"-e specs/{name}" in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_framework_offers_every_program_with_gradients_or_says_why_not(name: str, backend: str) -> None:
    (entry,) = entry_points(group="gradassay.backends", name=backend)
    offers = [offer for offer in entry.load().offers if offer.spec == name]
    assert offers, f"{backend} has no {name}"
    if "vjp" not in set().union(*(offer.operators for offer in offers)):
        assert (backend, name) == ("torch", "clip"), "torch clips in place, where nothing is recorded; no other may"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_of_programs_has_the_catalogue(name: str) -> None:
    page = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
    assert table(spec_of(name).faults) in page, f"docs/programs.md should hold gradassay._fault.table of {name}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_readme_counts_what_a_program_has(name: str) -> None:
    spec, page = spec_of(name), (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| [`{name}`]")]
    assert row.endswith(f"| {len(spec.properties)} | {len(spec.faults)} |")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_case_of_a_program_is_a_case(name: str) -> None:
    """It is drawn, and finite, in every dtype; judging it against itself needs the tensors that its table names."""
    spec = spec_of(name)
    for suite, templates in spec.suites().items():
        for template in templates:
            case = build(spec, suite, template, "float16")
            assert set(case.tensors) == {n for n, tensor in case.table.items() if tensor.role != "output"}
            again = spec.tensors(case.config, spec.call_of(case.config, case.tensors))
            assert again == spec.tensors(case.config, case.call), f"{suite}/{template.name}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_property_that_applies_has_something_to_say(name: str) -> None:
    """A property that finds nothing to look at in a case would pass it without a word: then it does not apply."""
    spec = spec_of(name)
    bench = Bench(spec, "float64", ("smoke",), in_memory())
    for template in spec.suites()["smoke"]:
        probe = Case(spec, "smoke", template, "float64", {}, {}, {})
        asked = tuple(p for p in spec.properties if p.applies(probe) and not p.promise)
        verdicts = bench.ask(Question(spec, "smoke", template, asked), None).verdicts
        assert {p.name for p in asked} == {verdict.property for verdict in verdicts}, template.name

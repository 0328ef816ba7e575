"""What the pages say of the repository is true of it: links lead somewhere, and tables name what there is."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gradassay._property import Property
from gradassay.properties import properties
from gradassay_lstm import spec

ROOT = Path(__file__).parent.parent
HIDDEN = {".venv", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
# What answers.md is put together from has its links: they are relative to that page.
PARTS = ROOT / "docs" / "answers"
PAGES = [page for page in ROOT.rglob("*.md") if not HIDDEN & set(page.relative_to(ROOT).parts) and page.parent != PARTS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    dead = [target for target in targets if target and "://" not in target and not (page.parent / target).exists()]
    assert not dead, f"{page.relative_to(ROOT)} links to {', '.join(dead)}, which is not there"


def test_there_are_pages_with_links() -> None:
    assert len(PAGES) > 10
    assert "](docs/verdict.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def of_specs() -> list[Property]:
    """The properties of every spec of this repository; those that specs share stand once."""
    there = {path.name for path in (ROOT / "specs").iterdir()}
    found = [entry.load() for entry in entry_points(group="gradassay.specs") if entry.name in there]
    return list(dict.fromkeys(one for known in found for one in known.properties))


@pytest.mark.parametrize("asked", [*properties().values(), *of_specs()], ids=lambda asked: asked.name)
def test_the_list_of_properties_states_every_one(asked: Property) -> None:
    equation = asked.equation.replace("|", "\\|")
    when = (
        f"offers that promise {asked.promise}"
        if asked.promise
        else "thorough cases"
        if asked.thorough
        else "every case"
    )
    row = f"| `{asked.name}` | {asked.claim} | {equation} | {', '.join(sorted(asked.needs))} | {when} |"
    assert row in (ROOT / "docs" / "properties.md").read_text(encoding="utf-8").splitlines()


def coverage() -> list[list[str]]:
    """The rows of the table of groups: group, what goes wrong, properties, suites."""
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8").partition("## Out of reach")[0]
    return [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| [A-Z] \|", line)]


def test_every_group_of_bugs_is_covered_by_what_there_is() -> None:
    """Groups A to S; there is no I."""
    rows = coverage()
    assert [row[0].strip() for row in rows] == [*"ABCDEFGHJKLMNOPQRS"]
    known = {*properties(), *(one.name for one in spec.properties), "agreement", "evaluation"}
    for group, _, asked, suites in rows:
        assert set(re.findall(r"`(\w+)`", asked)) <= known, group
        assert set(re.findall(r"`(\w+)`", suites)) <= spec.suites().keys(), group


def test_every_property_of_the_lstm_stands_in_the_table_of_groups() -> None:
    told = {name for row in coverage() for name in re.findall(r"`(\w+)`", row[2])}
    assert {*properties(), *(one.name for one in spec.properties)} <= told


def test_paths_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:harness|specs|tests|backends)/[\w./-]+)`", text)
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_a_newcomer_is_told_the_commands_that_ci_runs() -> None:
    commands = re.findall(r"^make \w+", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert commands == ["make check", "make test", "make verify"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(command in text for command in commands)

"""What the pages say of the repository is true of it: links lead somewhere, and tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradassay.properties import properties
from gradassay_lstm import spec

ROOT = Path(__file__).parent.parent
HIDDEN = {".venv", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
PAGES = [page for page in ROOT.rglob("*.md") if not HIDDEN & set(page.relative_to(ROOT).parts)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    dead = [target for target in targets if target and "://" not in target and not (page.parent / target).exists()]
    assert not dead, f"{page.relative_to(ROOT)} links to {', '.join(dead)}, which is not there"


def test_there_are_pages_with_links() -> None:
    assert len(PAGES) > 10
    assert "](docs/verdict.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", [*properties().values(), *spec.properties], ids=lambda asked: asked.name)
def test_the_readme_states_every_property(asked: object) -> None:
    needs = ", ".join(sorted(asked.needs))  # type: ignore[attr-defined]  # a Property
    row = f"| `{asked.name}` | {asked.claim} | {needs} |"  # type: ignore[attr-defined]  # a Property
    assert row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


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

"""The studies under reports/ say what their records say, to the last digit."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import runs

from gradassay._record import Footer, Header, Verdict, read

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
STUDIES = ("accuracy", "versions")
RECORDS = [path for study in STUDIES for path in sorted((REPORTS / study).glob("*.jsonl.xz"))]
PICTURES = sorted((REPORTS / "accuracy").glob("*.svg"))


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def pages() -> ModuleType:
    return importlib.import_module("reports._pages")


def study(name: str) -> ModuleType:
    return importlib.import_module(f"reports.{name}.study")


@pytest.mark.parametrize("name", STUDIES)
def test_the_tables_are_what_the_records_say(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"reports.{name}.study", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", STUDIES)
def test_every_figure_in_the_prose_stands_in_a_table(name: str) -> None:
    assert pages().unmade((REPORTS / name / "README.md").read_text(encoding="utf-8")) == []


def test_a_figure_that_no_table_holds_is_seen() -> None:
    page = "RMS 1.25, not 1.26, in 12 of 4,711 `1.5`.\n<!-- made: a -->\n| 1.25 |\n<!-- end -->\n"
    assert pages().unmade(page) == ["1.26", "4,711"]


def test_what_is_made_is_put_in_place_and_nothing_else_is_touched() -> None:
    page = "before\n<!-- made: a -->\nold\n<!-- end -->\nafter\n"
    assert pages().filled(page, {"a": "new\n"}) == "before\n<!-- made: a -->\n\nnew\n\n<!-- end -->\nafter\n"
    assert pages().filled(pages().filled(page, {"a": "new"}), {"a": "new"}) == pages().filled(page, {"a": "new"})
    with pytest.raises(KeyError):
        pages().filled(page, {})


def test_a_stale_page_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("old", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md"):
        pages().put({page: "new"}, check=True)
    assert page.read_text(encoding="utf-8") == "old"
    pages().put({page: "new"}, check=False)
    pages().put({page: "new"}, check=True)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_records_are_whole_and_small_and_tell_no_folder(path: Path) -> None:
    assert path.stat().st_size < 300_000
    records = list(read(path))
    header = records[0]
    assert isinstance(header, Header)
    assert not any(word.startswith("/") for word in header.command.split())
    assert isinstance(records[-1], Footer)
    assert records[-1].complete
    assert any(isinstance(record, Verdict) for record in records)


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_left_of_a_run_keeps_its_figures_and_outcomes(name: str) -> None:
    kept = [record for record in study(name).slim(runs.bad()) if isinstance(record, Verdict)]
    told = [record for record in runs.bad() if isinstance(record, Verdict)]
    assert [(v.target, v.outcome, v.rms, v.max, v.limit_rms) for v in kept] == [
        (v.target, v.outcome, v.rms, v.max, v.limit_rms) for v in told
    ]
    assert all(v.worst is None and not v.ran and not v.replay for v in kept)


def test_a_header_does_not_tell_where_a_run_was_written() -> None:
    header = runs.header(command="gradassay verify jax --out /somewhere/else/run.jsonl")
    assert pages().headed(header).command == "gradassay verify jax --out run.jsonl"


def test_there_are_pictures() -> None:
    assert {path.name for path in PICTURES} == set(study("accuracy").PICTURES)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_pictures_stand_alone_and_are_shown(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert "var(" not in text
    assert "<script" not in text
    assert f"]({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")


def test_versions_are_in_order_of_number() -> None:
    order = study("versions")._order
    assert order("jax-0.9.2") < order("jax-0.10.0") < order("keras-3.5.0-on-2.19.1") < order("keras-3.11.3-on-2.20.0")


def test_the_error_of_a_part_is_in_roundoffs() -> None:
    parts = importlib.import_module("reports.versions.parts")
    x = np.linspace(-3, 3, 100)
    off = np.tanh(x) * (1 + 8 * 2.0**-53)
    assert parts.errors("tanh", np.tanh(x), x).max() < 3 * 2.0**-53
    assert 6 < parts.errors("tanh", off, x).max() / 2.0**-53 < 11
    a, b = np.ones((2, 3)), np.ones((4, 3))
    assert parts.errors("product", a @ b.T, a, b).max() == 0
    assert parts.errors("sum", a.sum(axis=0), a).max() == 0


def test_the_exchange_of_activations_is_a_right_lstm() -> None:
    pytest.importorskip("tensorflow")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gradassay.cli", "verify", "reports/accuracy/exchanged.py:rounded", "--no-ladder"),
            *("--suite", "smoke", "--case", "plain", "--property", "values", "--property", "gradients"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 20 verdicts passed on 2 targets" in done.stdout

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import histories
import pytest
import runs
from click.testing import CliRunner, Result
from histories import TARGET, run

from gradassay._plan import Question
from gradassay._record import RecordError, Verdict
from gradassay._run import verify
from gradassay._worst import Records
from gradassay.cli import main
from gradassay.runs._ratchet import FORMAT, Entry, Key, load, ratchet
from gradassay_lstm import spec

KEY = Key("torch", "float32", "lstm", "gradients", "x")


def gradassay(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(folder: Path, *verdicts: Verdict, **header: Any) -> Path:
    return histories.write(folder / "run.jsonl", run(verdicts, **header))


def worst(folder: Path, *verdicts: Verdict, **header: Any) -> dict[Key, Entry]:
    ratchet(folder / "largest.json", [told(folder, *verdicts, **header)])
    return load(folder / "largest.json")


def test_the_largest_of_a_run_is_entered_with_all_that_shows_it_again(folder: Path) -> None:
    low, high = runs.verdict(max=2.0), runs.verdict(max=3.5, case="odd", replay="gradassay verify torch --case odd")
    found = worst(folder, low, high, version="2.12.0")
    assert found == {
        KEY: Entry(
            backend="torch",
            dtype="float32",
            spec="lstm",
            property="gradients",
            tensor="x",
            max=3.5,
            limit=14.2,
            target=TARGET,
            suite="wide",
            case="odd",
            replay="gradassay verify torch --case odd",
            versions={"torch": "2.12.0"},
            spec_version="1",
            limits="1",
            seen="2030-01-01T00:00:00Z",
        )
    }


def test_a_smaller_figure_leaves_it_and_a_larger_one_takes_its_place(folder: Path) -> None:
    worst(folder, runs.verdict(max=3.5), version="2.12.0")
    before = (folder / "largest.json").read_bytes()
    for figure in (3.5, 1.0):
        worst(folder, runs.verdict(max=figure), version="2.13.0", day=2)
        assert (folder / "largest.json").read_bytes() == before
    after = worst(folder, runs.verdict(max=3.6), version="2.13.0", day=2)
    assert (after[KEY].max, after[KEY].versions) == (3.6, {"torch": "2.13.0"})


def test_a_run_without_a_tensor_leaves_its_entry(folder: Path) -> None:
    worst(folder, runs.verdict(max=3.5))
    assert set(worst(folder, runs.verdict(max=1.0, tensor="h0"))) == {KEY, KEY._replace(tensor="h0")}


def test_dtypes_backends_properties_and_tensors_have_entries_of_their_own(folder: Path) -> None:
    others = [
        {"target": "torch/native/cpu/bfloat16"},
        {"target": "jax/jit/cpu/float32"},
        {"property": "values"},
        {"tensor": "h0"},
        {"spec": "mse"},
    ]
    assert len(worst(folder, runs.verdict(), *(runs.verdict(**other) for other in others))) == 6
    assert len(worst(folder, runs.verdict(target="torch/onednn/cpu/float32"))) == 6  # a mode is the same backend's


def test_what_is_no_verdict_against_truth_is_not_entered(folder: Path) -> None:
    found = worst(
        folder,
        runs.verdict(),
        runs.verdict(outcome="blind", max=1e9),
        runs.verdict(against="jax/jit/cpu/float32", max=1e9),
        runs.verdict(property="repeat", max=1e9),
        runs.skipped(),
    )
    assert found[KEY].max == 3.1
    assert len(found) == 1


def test_a_failure_is_entered_as_one_and_one_without_a_figure_is_counted(folder: Path) -> None:
    failed = runs.failed(tensor="x", max=57.3)
    found = ratchet(folder / "largest.json", [told(folder, failed, runs.failed(tensor="x", max=None, rms=None))])
    assert load(folder / "largest.json")[KEY].outcome == "failed"
    assert found.infinite == 1


def test_the_file_is_in_order_a_line_an_entry_whatever_the_order_of_runs(folder: Path) -> None:
    one, two = runs.verdict(tensor="x"), runs.verdict(tensor="h0")
    worst(folder, one, two)
    text = (folder / "largest.json").read_text()
    (folder / "largest.json").unlink()
    worst(folder, two)
    worst(folder, one)
    assert (folder / "largest.json").read_text() == text
    assert len(text.splitlines()) == 4
    assert [entry["tensor"] for entry in json.loads(text)["records"]] == ["h0", "x"]


def test_what_was_raised_is_told(folder: Path) -> None:
    worst(folder, runs.verdict(max=3.5), version="2.12.0")
    path = told(folder, runs.verdict(max=4.5), runs.verdict(tensor="h0"), version="2.13.0", day=2)
    found = gradassay("trend", str(path), "--records", "largest.json")
    assert found.exit_code == 0
    assert "Largest errors known, in largest.json: 1 raised, 1 new, 0 stand" in found.output
    assert f"{TARGET}: gradients of x 3.5 -> 4.5 of 14.2" in found.output
    assert "seen before with torch 2.12.0" in found.output
    marked = gradassay("trend", str(path), "--records", "largest.json", "--format", "markdown")
    assert "- Largest errors known, in largest.json: 0 raised, 0 new, 2 stand" in marked.output


def test_an_entry_replays_to_its_own_figure_bit_for_bit(folder: Path) -> None:
    records = verify(["numpy/float64"], suites=["smoke"], specs=["lstm"], properties=["values", "gradients"])
    ratchet(folder / "largest.json", [histories.write(folder / "run.jsonl", records)])
    known = load(folder / "largest.json")
    assert {key.property for key in known} == {"values", "gradients"}
    for tensor in ("x", "weight_hh_l0"):
        entry = known[Key("numpy", "float64", "lstm", "gradients", tensor)]
        words = shlex.split(entry.replay)
        assert words[:2] == ["gradassay", "verify"]
        again = gradassay(*words[1:], "--out", "again.jsonl")
        assert again.exit_code == 0, again.output
        found = ratchet(folder / "again.json", [folder / "again.jsonl"])
        assert found.infinite == 0
        assert load(folder / "again.json")[entry.key()].max == entry.max


def test_a_case_of_a_hunt_is_asked_again_and_entered_with_its_replay(folder: Path) -> None:
    (template,) = [t for t in spec.suites()["smoke"] if t.name == "one"]
    case = Question(spec, "smoke", template, ()).case("float64")
    kept = Records(Path("hunt"), "numpy/eager/cpu/float64").take(case, runs.verdict(max=3.1))
    assert kept is not None
    result = gradassay("trend", str(kept.now.path), "--records", "largest.json")
    assert result.exit_code == 0, result.output
    entry = load(folder / "largest.json")[Key("numpy", "float64", "lstm", "gradients", "x")]
    words = shlex.split(entry.replay)
    assert words[:4] == ["gradassay", "replay", str(kept.now.path), "numpy/eager/cpu/float64"]
    assert gradassay(*words[1:], "--out", "again.jsonl").exit_code == 0
    ratchet(folder / "again.json", [folder / "again.jsonl"])
    assert load(folder / "again.json")[entry.key()].max == entry.max


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "is no file of largest errors"),
        (b"\xff", "is no file of largest errors"),
        (f'{{"format":{FORMAT + 1},"records":[]}}'.encode(), f"has format {FORMAT + 1}"),
        (b'{"format":1,"records":[{"backend":"torch"}]}', "is no file of largest errors"),
    ],
)
def test_a_file_that_is_something_else_is_left_alone(folder: Path, content: bytes, said: str) -> None:
    (folder / "largest.json").write_bytes(content)
    with pytest.raises(RecordError, match=said):
        worst(folder, runs.verdict())
    assert (folder / "largest.json").read_bytes() == content


def test_a_folder_that_is_not_there_is_said(folder: Path) -> None:
    found = gradassay("trend", str(told(folder, runs.verdict())), "--records", "nowhere/largest.json")
    assert found.exit_code == 2
    assert "there is no folder nowhere; make it first" in found.stderr


def test_of_two_records_of_one_key_the_larger_stands(folder: Path) -> None:
    worst(folder, runs.verdict(max=2.0))
    path = folder / "largest.json"
    held = json.loads(path.read_text())
    [entry] = held["records"]
    for order in ((9.9, 1.0), (1.0, 9.9)):
        path.write_text(json.dumps(held | {"records": [entry | {"max": z} for z in order]}))
        assert load(path)[KEY].max == 9.9


def test_a_limit_of_nothing_is_no_error(folder: Path) -> None:
    assert worst(folder, runs.verdict(max=2.0, limit_max=0.0))[KEY].max == 2.0

"""One committed run a platform: small, the same whenever it is made, and as good as the run it was made of."""

from __future__ import annotations

import lzma
import random
import re
from pathlib import Path
from typing import Any

import pytest
import runs
from click.testing import CliRunner, Result
from compared import MACHINE, TARGET, compared, counts, header, run, saved
from msgspec.structs import replace

from gradassay._errors import UsageError
from gradassay._record import Drawn, Footer, Header, Record, Verdict, encode, read
from gradassay.cli import main
from gradassay.runs._baseline import path_of, platform_of, save, slim

NAME = "linux-x86_64.jsonl.xz"
PASSED = [runs.verdict(tensor=tensor) for tensor in ("x", "h0", "c0")]


def invoke(*arguments: str | Path) -> Result:
    told = {"COLUMNS": "80", "TERM": "dumb", "GITHUB_STEP_SUMMARY": ""}
    return CliRunner().invoke(main, ["baseline", *map(str, arguments)], env=told)


def rich_run() -> list[Record]:
    """Return a run with all that a baseline leaves out."""
    verdicts = [
        runs.failed(ran={"kernel": "oneDNN"}, seconds=0.25, along={"step": (1.0, 2.0)}),
        runs.verdict(rms=0.123456789, max=3.987654321, limit_max=14.20123),
        runs.skipped(),
        runs.verdict(tensor="c0", outcome="blind", reason="noise as large as the value"),
    ]
    return [*run(*verdicts, command="gradassay verify --out /home/me/run.jsonl", questions={"a": "b"})[:-1],
            runs.cause(), runs.footer()]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a baseline of three verdicts that passed."""
    path = tmp_path / "baselines"
    assert invoke("update", saved(tmp_path / "first.jsonl", run(*PASSED)), "--folder", path).exit_code == 0
    return path


# --- the file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "processor", "name"),
    [
        ("Linux-6.1.0-13-amd64-x86_64-with-glibc2.36", "x86_64", "linux-x86_64"),
        ("macOS-14.1-arm64-arm-64bit", "arm64", "macos-arm64"),
        ("Windows-10-10.0.19041-SP0", "AMD64", "windows-amd64"),
        ("../../Etc", "x86/../64\n", "etc-x8664"),
    ],
)
def test_a_platform_is_named_by_system_and_processor(system: str, processor: str, name: str) -> None:
    machine = {"system": system, "processor": processor}
    assert platform_of(header(machine=machine)) == name
    assert path_of(header(machine=machine), Path("a")) == Path(f"a/{name}.jsonl.xz")


def test_a_run_that_does_not_tell_its_machine_has_no_platform() -> None:
    with pytest.raises(UsageError, match="does not say what system and processor"):
        platform_of(header(machine={"system": "Linux-6"}))


def test_a_baseline_keeps_what_comparisons_need_alone() -> None:
    kept = slim(rich_run())
    assert [type(record) for record in kept] == [Header, Drawn, *[Verdict] * 4, Footer]
    head = kept[0]
    assert isinstance(head, Header)
    assert (head.command, head.questions, head.targets, head.machine) == ("", {}, runs.TARGETS, MACHINE)
    verdicts = {v.outcome: v for v in kept if isinstance(v, Verdict)}
    passed, failed = verdicts["passed"], verdicts["failed"]
    assert (passed.rms, passed.max, passed.limit_max, passed.elements) == (0.1235, 3.988, 14.2, 400)
    assert (failed.reason, failed.worst, failed.ran, failed.along, failed.replay) == (
        "RMS 12.1 is above 4",
        None,
        {},
        {},
        "",
    )
    assert verdicts["blind"].reason == "noise as large as the value"
    assert passed.reason == ""


def test_a_baseline_is_the_same_bytes_in_whatever_order_the_run_went(tmp_path: Path) -> None:
    records = rich_run()
    mixed = records[1:-1]
    random.Random(0).shuffle(mixed)
    for name, held in (("a", records), ("b", [records[0], *mixed, records[-1]])):
        save(held, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_run_differs_from_its_own_baseline_in_nothing() -> None:
    found = compared(slim(rich_run()), rich_run())
    assert counts(found) == {"still": 1}
    assert found.fair.fair
    assert found.drift.changed == 0
    assert not found.regressed


def test_90_000_verdicts_stay_below_a_megabyte_and_a_half(tmp_path: Path) -> None:
    """A tenth of them, for time: xz does the better the more there are."""
    chance = random.Random(0)
    verdicts = [
        runs.verdict(target=f"backend-{b}/mode-{m}/cpu/float32", case=f"wide/{c}", property=f"property-{p}",
                     tensor=f"tensor-{t}", rms=chance.uniform(0.5, 1.5), max=chance.uniform(1, 5))
        for b in range(3) for m in range(3) for c in range(10) for p in range(10) for t in range(10)
    ]  # fmt: skip
    assert len(verdicts) == 9_000
    path = tmp_path / NAME
    assert save(run(*verdicts), path) == path.stat().st_size < 0.15e6
    assert sum(isinstance(record, Verdict) for record in read(path)) == 9_000


# --- update ----------------------------------------------------------------------------------------------------


def test_the_first_baseline_is_written_and_says_that_there_was_none(tmp_path: Path) -> None:
    result = invoke("update", saved(tmp_path / "run.jsonl", run(*PASSED)), "--folder", tmp_path / "new" / "folder")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == "The first baseline of linux-x86_64: there is nothing to compare it with."
    assert second == f"Wrote {tmp_path / 'new' / 'folder' / NAME}: 3 verdicts, 0.00 MB"
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [NAME]


def test_an_update_shows_what_it_accepts(folder: Path, tmp_path: Path) -> None:
    new = run(runs.skipped(property="gradients", tensor="x"), *PASSED[1:], runs.verdict(tensor="weight_ih_l0"))
    path = saved(tmp_path / "new.jsonl", new)
    refused = invoke("update", path, "--folder", folder)
    assert refused.exit_code == 2 and "1 verdict was not reached" in refused.stderr
    result = invoke("update", path, "--folder", folder, "--accept-less")
    assert result.exit_code == 0
    assert "Lost: 1 verdict, reached before and not now" in result.stdout
    assert "New: 1 verdict, not reached before" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"Wrote {folder / NAME}: 4 verdicts, ")
    assert sum(isinstance(record, Verdict) for record in read(folder / NAME)) == 4


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (run(*PASSED, complete=False), "new.jsonl did not complete, and can be no baseline: INCOMPLETE: the run"),
        (run(*PASSED, shard="2/4"), "new.jsonl is part 2/4 of a run, and can be no baseline: merge the parts first"),
        (run(*PASSED[1:], runs.failed(tensor="x")), "new.jsonl is not well: FAILED: 1 failed of 3 verdicts"),
        (run(runs.verdict(suite="smoke", case="one"), suites=("smoke",)),
         "has less than the baseline: 3 verdicts were not asked; ask everything"),
        ([header(), runs.footer()], "new.jsonl is not well: FAILED: nothing was verified"),
        (run(*PASSED, machine={}), "the run does not say what system and processor it ran on"),
    ],
)  # fmt: skip
def test_what_can_be_no_baseline_is_refused_and_the_one_there_is_stays(
    records: list[Record], message: str, folder: Path, tmp_path: Path
) -> None:
    before = (folder / NAME).read_bytes()
    result = invoke("update", saved(tmp_path / "new.jsonl", records), "--folder", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert (folder / NAME).read_bytes() == before


def test_failures_are_accepted_when_that_is_said_and_are_known_from_then_on(folder: Path, tmp_path: Path) -> None:
    bad = saved(tmp_path / "bad.jsonl", run(*PASSED[1:], runs.failed(tensor="x")))
    result = invoke("update", bad, "--folder", folder, "--accept-failures")
    assert result.exit_code == 0
    assert "Broken: 1 verdict, passed before and failing now" in result.stdout
    again = invoke("compare", bad, "--folder", folder)
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1].endswith("; 1 not right in both")


def test_a_smaller_baseline_is_accepted_when_that_is_said(folder: Path, tmp_path: Path) -> None:
    less = saved(tmp_path / "less.jsonl", run(*PASSED[:1], suites=("smoke",)))
    assert invoke("update", less, "--folder", folder, "--accept-less").exit_code == 0
    assert sum(isinstance(record, Verdict) for record in read(folder / NAME)) == 1


def test_a_baseline_that_cannot_be_written_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("update", saved(tmp_path / "run.jsonl", run(*PASSED)), "--folder", tmp_path / "file")
    assert result.exit_code == 2
    assert f"cannot write {tmp_path / 'file' / NAME}: " in result.stderr
    (tmp_path / "folder" / NAME).mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot write"):
        save(run(*PASSED), tmp_path / "folder" / NAME)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [NAME]


# --- compare ---------------------------------------------------------------------------------------------------


def test_a_run_as_good_as_its_baseline_exits_with_0(folder: Path, tmp_path: Path) -> None:
    result = invoke("compare", tmp_path / "first.jsonl", "--folder", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "No regression: 3 verdicts on 1 target compared, none broken or lost, none drifted"
    )
    assert result.stderr == f"gradassay: compared with {folder / NAME}\n"


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (runs.failed(tensor="x"), 1),
        (runs.skipped(property="gradients", tensor="x"), 1),
        (runs.verdict(tensor="x", rms=2.5), 1),
        (runs.verdict(tensor="x", rms=1.1), 0),
    ],
)
def test_what_regressed_exits_with_1(now: Verdict, status: int, folder: Path, tmp_path: Path) -> None:
    new = saved(tmp_path / "new.jsonl", run(now, *PASSED[1:]))
    assert invoke("compare", new, "--folder", folder).exit_code == status


def test_on_another_cpu_what_broke_counts_and_drift_is_told(folder: Path, tmp_path: Path) -> None:
    machine = MACHINE | {"cpu": "AMD EPYC 7763"}
    drifted = saved(tmp_path / "new.jsonl", run(runs.verdict(tensor="x", rms=2.5), *PASSED[1:], machine=machine))
    result = invoke("compare", drifted, "--folder", folder)
    assert result.exit_code == 0
    assert "Drifted: 1 tensor, further from the truth (not counted: the comparison is not fair)" in " ".join(
        result.stdout.split()
    )
    assert invoke("compare", drifted, "--folder", folder, "--strict").exit_code == 1
    broken = saved(tmp_path / "new.jsonl", run(runs.failed(tensor="x"), *PASSED[1:], machine=machine))
    assert invoke("compare", broken, "--folder", folder).exit_code == 1


def test_a_run_of_fewer_targets_is_compared_on_what_it_was_asked(tmp_path: Path) -> None:
    folder = tmp_path / "baselines"
    every = run(*PASSED, runs.verdict(target=runs.TARGETS[0]))
    invoke("update", saved(tmp_path / "run.jsonl", every), "--folder", folder)
    result = invoke("compare", saved(tmp_path / "new.jsonl", run(*PASSED, targets=(TARGET,))), "--folder", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "Fair on what both were asked: NEW was asked 1 of 3 targets"
    assert "Not asked of NEW: 1 verdict of BASE" in result.stdout
    fewer = saved(tmp_path / "new.jsonl", run(*PASSED[:2], targets=(TARGET,)))
    assert invoke("compare", fewer, "--folder", folder).exit_code == 1


def test_a_platform_without_a_baseline_is_no_regression_and_is_said(folder: Path, tmp_path: Path) -> None:
    machine = MACHINE | {"system": "macOS-14.1-arm64-arm-64bit", "processor": "arm64"}
    new = saved(tmp_path / "new.jsonl", run(*PASSED, machine=machine))
    result = invoke("compare", new, "--folder", folder)
    assert result.exit_code == 0
    assert result.stdout == (
        f"No baseline of macos-arm64 in {folder}: nothing was compared; there is one of linux-x86_64.\n"
    )
    assert invoke("compare", new, "--folder", folder, "--strict").exit_code == 1


def test_targets_that_the_baseline_does_not_know_are_no_regression_and_it_is_said(folder: Path, tmp_path: Path) -> None:
    target = "jax/jit/cpu/float32"
    new = saved(tmp_path / "new.jsonl", run(runs.failed(target=target), targets=(target,)))
    result = invoke("compare", new, "--folder", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing was compared: they have no target in common: ")
    assert invoke("compare", new, "--folder", folder, "--strict").exit_code == 1


def test_without_the_usual_folder_there_is_no_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("compare", saved(tmp_path / "run.jsonl", run(*PASSED)))
    assert result.exit_code == 0
    assert result.stdout == (
        "No baseline of linux-x86_64 in reports/baselines: nothing was compared; there is none at all.\n"
    )


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    result = invoke("compare", saved(tmp_path / "run.jsonl", run(*PASSED)), "--folder", tmp_path / "none")
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}; a baseline is made by `gradassay baseline update" in result.stderr


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: b"", lambda data: data[:40] + b"x" + data[41:]]
)
def test_a_damaged_baseline_is_bad_input(damage: Any, folder: Path, tmp_path: Path) -> None:
    (folder / NAME).write_bytes(damage((folder / NAME).read_bytes()))
    result = invoke("compare", tmp_path / "first.jsonl", "--folder", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(folder / NAME) in result.stderr


def test_a_baseline_is_a_run_that_other_commands_read(folder: Path) -> None:
    shown = CliRunner().invoke(main, ["show", str(folder / NAME)], env={"COLUMNS": "80", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert "All 3 verdicts passed on 1 target" in shown.stdout
    assert lzma.decompress((folder / NAME).read_bytes()).startswith(encode(header())[:30])


def test_the_group_without_a_subcommand_says_what_there_is() -> None:
    text = CliRunner().invoke(main, ["baseline", "--help"]).stdout
    assert "update" in text and "compare" in text and "linux-x86_64.jsonl.xz" in text


# --- at the end of a run ---------------------------------------------------------------------------------------

FEW = ("numpy/float64", "--spec", "lstm", "--suite", "smoke", "--case", "plain", "--property", "values")


def verified(*options: str | Path) -> Result:
    return CliRunner().invoke(main, ["verify", *FEW, *map(str, options)], env={"COLUMNS": "80", "TERM": "dumb"})


def test_verify_ends_by_comparing_with_the_baseline(tmp_path: Path) -> None:
    out, folder = tmp_path / "run.jsonl", tmp_path / "baselines"
    folder.mkdir()
    first = verified("--out", out, "--baseline", folder)
    assert first.exit_code == 0 and "nothing was compared; there is none at all." in first.output
    assert invoke("update", out, "--folder", folder).exit_code == 0
    again = verified("--baseline", folder)
    assert again.exit_code == 0, again.output
    assert re.search(r"^Fair: 1 case the same bit for bit", again.output, re.M)
    assert "No regression: 3 verdicts on 1 target compared, none broken or lost, none drifted" in again.output


def test_a_run_that_is_well_and_lost_something_exits_with_1(tmp_path: Path) -> None:
    out, folder = tmp_path / "run.jsonl", tmp_path / "baselines"
    verified("--out", out)
    records = list(read(out))
    last = next(record for record in reversed(records) if isinstance(record, Verdict))
    kept = [*records[:-1], replace(last, tensor="z"), records[-1]]
    assert invoke("update", saved(out, kept), "--folder", folder).exit_code == 0
    ended = verified("--baseline", folder)
    assert ended.exit_code == 1
    assert "All 3 verdicts passed on 1 target" in ended.output and "REGRESSED: 1 lost of 4 verdicts" in ended.output


def test_a_folder_that_is_not_there_is_told_before_the_run(tmp_path: Path) -> None:
    ended = verified("--baseline", tmp_path / "nowhere")
    assert ended.exit_code == 2 and "there is no folder" in ended.output and "passed" not in ended.output

"""`gradassay diff`: its exit status, its formats, and what it says of files that cannot be compared."""

from __future__ import annotations

import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import pytest
import runs
from click.testing import CliRunner, Result
from compared import MACHINE, TARGET, compared, header, run, saved

from gradassay._cache import Cache
from gradassay._record import FORMAT, encode
from gradassay._run import verify
from gradassay.cli import main
from gradassay.views.diff import markdown
from gradassay.views.github import annotate, command
from gradassay_numpy._backend import NumpyBackend
from gradassay_numpy._faults import FAULTS

HOSTILE = "x%,:\r\n::error::owned\x1b[31m ##[add-path]/tmp ```<b>|"


def invoke(*arguments: str | Path, **environment: str) -> Result:
    told = {"COLUMNS": "80", "TERM": "dumb", "GITHUB_STEP_SUMMARY": ""} | environment
    return CliRunner().invoke(main, ["diff", *map(str, arguments)], env=told)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return saved(tmp_path / "base.jsonl", run(runs.verdict(), runs.verdict(tensor="h0"), runs.verdict(tensor="c0")))


def broken(**changes: Any) -> list[Any]:
    others = (runs.verdict(tensor="h0"), runs.verdict(tensor="c0"))
    return run(runs.failed(**({"tensor": "x"} | changes)), *others)


# --- status ----------------------------------------------------------------------------------------------------


def test_nothing_differs_exits_with_0_and_two_lines_say_all(base: Path) -> None:
    result = invoke(base, base)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Fair: 1 case the same bit for bit; the same specs, suites, properties, limits and machine",
        "Compared: the same versions, as far as they are told",
        "Noise units: all 3 are the same",
        "",
        "No regression: 3 verdicts on 1 target compared, none broken or lost, none drifted",
    ]


def test_what_broke_exits_with_1_and_is_named(base: Path, tmp_path: Path) -> None:
    result = invoke(base, saved(tmp_path / "new.jsonl", broken()))
    assert result.exit_code == 1
    assert (
        "\nBroken: 1 verdict, passed before and failing now\n      1  torch/native/cpu/float32: gradients of x\n"
        in (result.stdout)
    )
    assert "         3.1 -> 57.3 of 14.2 noise units (wide/ragged)\n" in result.stdout
    assert f"\n  replay {runs.failed().replay}\n" in result.stdout
    assert result.stdout.splitlines()[-1] == "REGRESSED: 1 broken of 3 verdicts on 1 target"


def test_an_unfair_comparison_exits_with_0_unless_it_is_strict(base: Path, tmp_path: Path) -> None:
    other = run(*(runs.verdict(tensor=t) for t in ("x", "h0", "c0")), machine=MACHINE | {"cpu": "AMD EPYC 7763"})
    new = saved(tmp_path / "new.jsonl", other)
    result = invoke(base, new)
    assert result.stdout.startswith("Not fair: cpu Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz and AMD EPYC 7763\n")
    assert result.exit_code == 0
    assert invoke(base, new, "--strict").exit_code == 1
    assert invoke(base, base, "--strict").exit_code == 0


def test_what_broke_counts_in_an_unfair_comparison_too(base: Path, tmp_path: Path) -> None:
    new = broken()
    new[0] = header(machine={}, limits="2")
    assert invoke(base, saved(tmp_path / "new.jsonl", new)).exit_code == 1


def test_a_factor_and_a_floor_reach_the_comparison(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{rms}.jsonl", run(runs.verdict(rms=rms))) for rms in (1.0, 1.4, 2.0)]
    assert invoke(paths[0], paths[2]).exit_code == 1
    assert invoke(paths[0], paths[2], "--factor", "2").exit_code == 0
    assert invoke(paths[0], paths[2], "--floor", paths[1]).exit_code == 0
    assert invoke(paths[0], paths[2], "--floor", paths[1], "--factor", "1.2").exit_code == 1


def test_a_renamed_target_is_compared_by_its_new_name(base: Path, tmp_path: Path) -> None:
    target = TARGET.replace("torch", "torch-2.14")
    new = saved(tmp_path / "new.jsonl", run(runs.failed(tensor="x", target=target), targets=(target,)))
    refused = invoke(base, new)
    assert refused.exit_code == 2
    assert "have no target in common" in refused.stderr and "--map OLD=NEW" in refused.stderr
    result = invoke(base, new, "--map", "torch=torch-2.14")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "REGRESSED: 1 broken, 2 lost of 3 verdicts on 1 target"


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{base}", "none.jsonl"), "cannot read none.jsonl: No such file or directory"),
        (("{empty}", "{base}"), "empty.jsonl is not a run: it is empty"),
        (("{base}", "{torn}"), "torn.jsonl is not a run: its only line is torn"),
        (("{later}", "{base}"), f"later.jsonl has format 99; this version of gradassay reads up to {FORMAT}"),
        (("{base}", "{bare}"), "bare.jsonl holds no verdict: there is nothing to compare"),
        (("{base}", "{base}", "--map", "torch"), "--map torch should be OLD=NEW"),
        (("{base}", "{base}", "--map", "jax=x"), "--map jax=x: no target of BASE begins with jax"),
        (("{base}", "{base}", "--floor", "{other}"), ": limits 1 and 2; the cases differ bit for bit: 1 of 1"),
        (("{base}", "{base}", "--floor", "{apart}"), "no repeat of BASE: they have no verdict in common"),
        (("{base}", "{apart}"), "have no property in common"),
        (("{base}", "{base}", "--factor", "0.5"), "0.5 should be a number from 1 on"),
        (("{base}",), "Missing argument 'NEW.jsonl'"),
    ],
)  # fmt: skip
def test_bad_input_exits_with_2_and_says_what_would_be_right(
    arguments: tuple[str, ...], message: str, base: Path, tmp_path: Path
) -> None:
    files = {"base": base} | {
        name: saved(tmp_path / f"{name}.jsonl", records)
        for name, records in {
            "empty": [],
            "bare": [header(), runs.footer()],
            "other": run(runs.verdict(), limits="2", digest="00fe"),
            "apart": run(runs.verdict(property="jvp"), properties=("jvp",)),
            "later": [header(format=99)],
        }.items()
    }
    files["torn"] = tmp_path / "torn.jsonl"
    files["torn"].write_bytes(encode(header())[:-9])
    result = invoke(*(argument.format(**files) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_run_that_was_killed_within_a_line_is_compared_as_far_as_it_goes(base: Path, tmp_path: Path) -> None:
    data = base.read_bytes().split(b"\n")
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(b"\n".join(data[:4]) + b"\n" + data[4][:40])
    result = invoke(base, torn)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == (
        "Fair on what both were asked: NEW did not complete: it stopped after 2 verdicts"
    )
    assert result.stdout.splitlines()[-1] == "INCOMPLETE: NEW stopped early; 1 lost of 3 verdicts on 1 target"


def test_a_run_of_the_first_format_is_compared_and_what_it_lacks_is_said(base: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    machine = {"system": MACHINE["system"], "processor": "x86_64", "python": "3.12.4", "numpy": "2.1.0"}
    lines = [encode(header(format=1, machine=machine)), *base.read_bytes().splitlines(keepends=True)[2:]]
    old.write_bytes(b"".join(lines))
    result = invoke(old, base)
    assert result.exit_code == 0
    assert result.stdout.startswith("Not known to be fair: not recorded: the bits of the cases, the cpu, how cases ")


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_compressed_runs_are_compared(compress: Any, base: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(compress(base.read_bytes()))
    assert invoke(packed, base).exit_code == 0


# --- formats ---------------------------------------------------------------------------------------------------


def hostile() -> list[Any]:
    target = f"{HOSTILE}/native/cpu/float32"
    names = {"target": target, "case": HOSTILE, "suite": HOSTILE, "property": HOSTILE, "tensor": HOSTILE}
    select = {"targets": (target,), "suites": (HOSTILE,), "properties": (HOSTILE,)}
    bad = runs.failed(**names, replay=HOSTILE, reason=HOSTILE, max=None, outcome="errored")
    footer = runs.footer(wrong=(HOSTILE,))
    return [run(runs.verdict(**names), **select), [*run(bad, **select, limits=HOSTILE)[:-1], footer]]


def test_github_gets_annotations_whose_text_cannot_end_them() -> None:
    assert command("error", "a:b,c%\r\n", "d:e,f%\r\n::g") == ("::error title=a%3Ab%2Cc%25%0D%0A::d:e,f%25%0D%0A::g")
    lines = [line for one in annotate(compared(*hostile())) for line in one.splitlines()]
    assert [line.split(" title=")[0] for line in lines] == ["::error", "::error", "::notice", lines[-1]]
    assert all(re.fullmatch(r"::(error|notice) title=[^:,\n]*::[^\r\n]*", line) for line in lines[:-1])
    assert "x%25,:\\r\\n::error::owned\\x1b[31m" in lines[0]
    assert lines[-1] == "REGRESSED: 1 broken, the run as a whole is not well of 1 verdict on 1 target"
    assert not set("".join(lines)) & {"\x1b", "\r"}


def test_github_gets_at_most_ten_annotations_of_a_kind_and_some_of_every_group() -> None:
    names = [f"t{n}" for n in range(30)]
    passed = [runs.verdict(target=f"b{n}/m/cpu/float32") for n in range(15)]
    targets = tuple(v.target for v in passed)
    base = run(*passed, *(runs.verdict(tensor=n, target=targets[0]) for n in names), targets=targets)
    new = run(*(runs.failed(tensor="x", target=target) for target in targets), targets=targets)
    lines = list(annotate(compared(base, new)))
    kinds = [line.split("::")[1].split("%3A ")[1] for line in lines[:-1]]
    assert kinds == ["broken"] * 8 + ["lost"]
    assert all(line.startswith("::error ") for line in lines[:-1])
    assert len([line for line in lines if line.startswith("::error ")]) <= 10


def test_drift_that_does_not_count_is_a_warning() -> None:
    found = compared(run(runs.verdict(rms=1.0)), run(runs.verdict(rms=3.0), limits="2"))
    assert [line.split(" title=")[0] for line in annotate(found)][:2] == ["::warning", "::notice"]


def test_github_gets_a_summary_where_it_wants_one(base: Path, tmp_path: Path) -> None:
    new, summary = saved(tmp_path / "new.jsonl", broken()), tmp_path / "summary.md"
    summary.write_text("before\n")
    result = invoke(base, new, "--format", "github", GITHUB_STEP_SUMMARY=str(summary))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == (
        "::error title=Gradassay%3A broken::1 of torch/native/cpu/float32: gradients of x%0A"
        f"3.1 -> 57.3 of 14.2 noise units (wide/ragged)%0Areplay: {runs.failed().replay}"
    )
    text = summary.read_text(encoding="utf-8")
    assert text.startswith(
        "before\n## Gradassay: two runs compared\n\n**REGRESSED: 1 broken of 3 verdicts on 1 target**\n"
    )
    refused = invoke(base, new, "--format", "github", GITHUB_STEP_SUMMARY=str(tmp_path))
    assert refused.exit_code == 2
    assert "the summary of this step: Is a directory" in refused.stderr
    assert invoke(base, new, "--format", "github").stdout == result.stdout


def test_markdown_says_the_same_and_escapes_what_would_break_it(base: Path, tmp_path: Path) -> None:
    result = invoke(base, saved(tmp_path / "new.jsonl", broken()), "--format", "markdown")
    assert result.exit_code == 1
    assert "### Broken: 1 verdict, passed before and failing now\n\n- 1: **torch/native/cpu/float32: " in result.stdout
    text = markdown(compared(*hostile()))
    assert not set(text) & {"\x1b", "\r"}
    assert "<b>" not in re.sub(r"(?s)\n```\n.*?\n```\n", "", text).replace("\\<b\\>", "")
    assert text.count("```") == 2


def test_the_terminal_shows_hostile_text_within_80_columns(tmp_path: Path) -> None:
    base, new = (saved(tmp_path / f"{n}.jsonl", records) for n, records in enumerate(hostile()))
    text = invoke(base, new).stdout
    assert not set(text) & {"\x1b", "\r"}
    body = [line for line in text.splitlines()[1:-1] if not line.startswith("  replay ")]
    assert max(map(len, body)) <= 80


# --- a real regression -----------------------------------------------------------------------------------------


def test_a_planted_regression_is_named(tmp_path: Path) -> None:
    store = Cache(directory=tmp_path / "cache")

    def asked(name: str, backend: NumpyBackend) -> Path:
        records = verify(
            ["numpy/float32"], specs=["lstm"], suites=["smoke"], properties=["values", "gradients", "jvp"],
            objects=[backend], cache=store, diagnose=False,
        )  # fmt: skip
        return saved(tmp_path / name, records)

    right, again = asked("right.jsonl", NumpyBackend()), asked("again.jsonl", NumpyBackend())
    same = invoke(right, again)
    assert same.exit_code == 0, same.stdout
    assert same.stdout.startswith("Fair: 9 cases the same bit for bit; ")
    assert re.search(r"^Noise units: all \d+ are the same$", same.stdout, re.MULTILINE)

    wrong = asked("wrong.jsonl", NumpyBackend("numpy", FAULTS["forget-gate-slope-missing"].backward))
    result = invoke(right, wrong)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == same.stdout.splitlines()[0]
    assert re.fullmatch(r"REGRESSED: \d+ broken of \d+ verdicts on 1 target", lines[-1])
    broken = [line for line in lines if re.match(r" +\d+  numpy/eager/cpu/float32: gradients", line)]
    assert broken
    assert not [line for line in lines if "float32: values" in line]  # which is still right
    assert any(line.startswith("  replay gradassay verify numpy/eager/cpu/float32 --spec lstm ") for line in lines)
    assert invoke(wrong, right).exit_code == 0


@pytest.mark.parametrize("factor", ["nan", "inf", "-1"])
def test_a_factor_that_switches_drift_off_is_refused(factor: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jsonl", run(runs.verdict()))
    assert invoke(path, path, "--factor", factor).exit_code == 2


def test_a_floor_that_is_the_new_run_itself_is_refused(tmp_path: Path) -> None:
    base, new = (saved(tmp_path / f"{rms}.jsonl", run(runs.verdict(rms=rms))) for rms in (1.0, 3.0))
    result = invoke(base, new, "--floor", new)
    assert result.exit_code == 2 and "is NEW itself" in result.output


def test_a_name_that_two_targets_would_get_is_refused(tmp_path: Path) -> None:
    verdicts = [runs.verdict(target=target) for target in runs.TARGETS]
    path = saved(tmp_path / "a.jsonl", run(*verdicts))
    result = invoke(path, path, "--map", f"{runs.TARGETS[1]}={runs.TARGETS[0]}")
    assert result.exit_code == 2 and "gives two targets of BASE the name" in result.output


def test_the_versions_of_a_renamed_backend_are_compared(tmp_path: Path) -> None:
    old, new = "torch/native/cpu/float32", "torch-new/native/cpu/float32"
    paths = [
        saved(
            tmp_path / f"{n}.jsonl", run(runs.verdict(target=t), targets=(t,), versions={t.split("/")[0]: {"torch": v}})
        )
        for n, (t, v) in enumerate(((old, "2.12.0"), (new, "2.13.0")))
    ]
    assert "torch 2.12.0 -> 2.13.0" in invoke(*paths, "--map", "torch=torch-new").output

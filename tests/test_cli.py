from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import runs
from click.testing import CliRunner, Result

from gradassay import _plugins
from gradassay._backend import Gap, Mode, Offer
from gradassay._errors import UsageError
from gradassay._plugins import Plugin, PluginError
from gradassay._record import Record, encode, read
from gradassay.cli import main

HARNESS = Path(main.callback.__code__.co_filename).parents[1] if main.callback else Path()
TESTS = Path(__file__).parent


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"COLUMNS": "80", "TERM": "dumb"})


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Put a run of synthetic records in the place of the real one; the dictionary holds what it was asked."""

    def install(records: list[Record], then: BaseException | None = None) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def run(targets: tuple[str, ...], *, on_record: Callable[[Record], None], **options: Any) -> list[Record]:
            asked.update(options, targets=targets)
            for record in records:
                on_record(record)
            if then is not None:
                raise then
            return records

        module = ModuleType("gradassay._run")
        module.verify = run  # type: ignore[attr-defined]  # a module is its attributes
        monkeypatch.setitem(sys.modules, "gradassay._run", module)
        return asked

    return install


# --- verify ----------------------------------------------------------------------------------------------------


def test_all_well_exits_with_0_and_ends_in_the_verdict(verify: Callable[..., Any]) -> None:
    verify(runs.good())
    result = invoke("verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("All 6 verdicts passed on 3 targets; 1 skipped; worst 5.5 of 14.2")


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (runs.bad(), "FAILED: 1 failed of 7 verdicts"),
        (
            [*runs.good()[:-1], runs.footer(wrong=("torch reached no verdict on gradients",))],
            "FAILED: 6 verdicts passed",
        ),
        ([*runs.good()[:-1], runs.footer(complete=False)], "INCOMPLETE: the run stopped after 7 verdicts"),
        (runs.good()[:-1], "INCOMPLETE: the run stopped after 7 verdicts"),
        (
            [runs.header(), runs.verdict(outcome="errored", reason="hung"), runs.footer()],
            "FAILED: 1 errored of 1 verdict",
        ),
        ([runs.header(), runs.skipped(), runs.footer()], "FAILED: nothing was verified"),
    ],
)
def test_what_is_not_well_exits_with_1(records: list[Record], verdict: str, verify: Callable[..., Any]) -> None:
    verify(records)
    result = invoke("verify")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith(verdict)


def test_every_option_reaches_the_run(verify: Callable[..., Any]) -> None:
    asked = verify(runs.good())
    options = "--suite smoke --suite wide --spec mse --case a --property values --in-process --jobs 3 --workers 2"
    options += " --deadline 2.5"
    assert invoke("verify", "torch/float32", "jax", *options.split(), "--sweep", "--no-cache").exit_code == 0
    assert asked == {
        "targets": ("torch/float32", "jax"),
        "suites": ("smoke", "wide"),
        "specs": ("mse",),
        "cases": ("a",),
        "properties": ("values",),
        "in_process": True,
        "jobs": 3,
        "workers": 2,
        "deadline": 2.5,
        "sweep": True,
        "cache": False,
        "ladder": None,
        "shard": "",
        "diagnose": True,
        "waivers": None,
    }


def test_options_that_are_not_given_are_empty(verify: Callable[..., Any]) -> None:
    asked = verify(runs.good())
    invoke("verify")
    none: tuple[str, ...] = ()
    assert asked == dict.fromkeys(("targets", "suites", "specs", "cases", "properties"), none) | {
        "in_process": False,
        "jobs": None,
        "workers": 1,
        "deadline": None,
        "sweep": False,
        "cache": True,
        "ladder": None,
        "shard": "",
        "diagnose": True,
        "waivers": None,
    }


@pytest.mark.parametrize(
    "error", [UsageError("no backend 'torhc' is installed"), PluginError("backend `x` of y fails to import")]
)
def test_a_usage_error_is_one_line_and_exits_with_2(error: Exception, verify: Callable[..., Any]) -> None:
    verify([], error)
    result = invoke("verify", "torhc")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"gradassay: {error}\n")


def test_a_message_with_control_characters_is_shown_as_text(verify: Callable[..., Any]) -> None:
    verify([], UsageError("bad \x1b[31m\nsecond"))
    assert invoke("verify").stderr == "gradassay: bad \\x1b[31m\n  second\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--jobs", "0"), "0 is not in the range x>=1"),
        (("verify", "--deadline", "0"), "0.0 is not in the range x>0"),
        (("verify", "--siute", "x"), "No such option"),
        (("verfy",), "No such command"),
        (("show",), "Missing argument 'RUN.jsonl'"),
    ],
)
def test_a_mistyped_command_exits_with_2(arguments: tuple[str, ...], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_error_of_our_own_is_not_dressed_up_as_the_users(verify: Callable[..., Any]) -> None:
    verify([], KeyError("a bug"))
    assert isinstance(invoke("verify").exception, KeyError)


def test_out_and_markdown_are_written(verify: Callable[..., Any], tmp_path: Path) -> None:
    verify(runs.bad())
    out, summary = tmp_path / "run.jsonl", tmp_path / "summary.md"
    assert invoke("verify", "--out", str(out), "--markdown", str(summary)).exit_code == 1
    assert list(read(out)) == runs.bad()
    assert summary.read_text().startswith("## Gradassay\n\n**FAILED: 1 failed")


def test_a_run_that_is_refused_leaves_an_older_file_alone(verify: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    out.write_bytes(encode(runs.header()))
    verify([], UsageError("no such suite"))
    assert invoke("verify", "--out", str(out)).exit_code == 2
    assert list(read(out)) == [runs.header()]


@pytest.mark.parametrize("option", ["--out", "--markdown"])
def test_a_path_that_cannot_be_written_is_refused_before_the_run(
    option: str, verify: Callable[..., Any], tmp_path: Path
) -> None:
    asked = verify(runs.good())
    absent = tmp_path / "absent"
    for path, message in ((absent / "x", f"there is no folder {absent}; make it first"), (tmp_path, "it is a folder")):
        result = invoke("verify", option, str(path))
        assert result.exit_code == 2
        assert result.stderr.startswith(f"gradassay: cannot write {path}: {message}")
    assert asked == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_in_one_line(verify: Callable[..., Any]) -> None:
    verify(runs.good())
    result = invoke("verify", "--out", "/dev/full")
    assert (result.exit_code, result.stderr) == (2, "gradassay: cannot write /dev/full: No space left on device\n")


def test_progress_goes_to_standard_error_a_line_a_target(verify: Callable[..., Any]) -> None:
    verify(runs.bad())
    assert invoke("verify").stderr == (
        "numpy/native/cpu/float64: 2 passed\n"
        "torch/native/cpu/float32: 2 passed\n"
        "torch/native/cpu/bfloat16: 2 passed\n\n"
    )


def test_a_question_counts_once_and_by_its_worst_tensor(verify: Callable[..., Any]) -> None:
    target = runs.TARGETS[1]
    ragged = [runs.verdict(), runs.failed(), runs.verdict(tensor="h0")]
    agreement = runs.verdict(against=runs.TARGETS[0], property="agreement")
    verify([runs.header((target,)), *ragged, agreement, runs.verdict(case="wide/other"), runs.footer()])
    assert invoke("verify").stderr == f"{target}: 1 passed, 1 failed\n\n"


def test_a_target_that_cannot_run_at_all_is_finished_at_once(verify: Callable[..., Any]) -> None:
    absent = {"suite": "", "case": "", "property": "", "reason": "device cuda is not here; there is cpu"}
    target = "torch/native/cuda/float32"
    cannot = [runs.skipped(target=target, spec=spec, **absent) for spec in ("lstm", "mse")]
    verify([runs.header((target, *runs.TARGETS), planned={target: 40}), *cannot, *runs.good()[1:]])
    result = invoke("verify")
    assert result.stderr.startswith(f"{target}: 40 skipped\n")
    assert result.stderr.count(target) == 1
    assert f"      2  device cuda is not here; there is cpu: {target}\n" in result.stdout


def test_a_worker_that_did_not_start_is_told_of_every_case(verify: Callable[..., Any]) -> None:
    dead = {
        "suite": "",
        "case": "",
        "property": "",
        "tensor": "",
        "rms": None,
        "max": None,
        "reason": "crash: signal 9",
    }
    verify([runs.header(), runs.verdict(outcome="errored", **dead), runs.footer()])
    result = invoke("verify")
    assert result.exit_code == 1
    assert "1. torch/native/cpu/float32: everything errored in every case (lstm)" in result.stdout
    assert "reason      crash: signal 9" in result.stdout


# --- Ctrl-C, broken pipes, real processes ----------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_computed(verify: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    verify(runs.good()[:4], KeyboardInterrupt())
    result = invoke("verify", "--out", str(out))
    assert result.exit_code == 130
    assert result.stderr.endswith(f"gradassay: interrupted; what was computed is kept: gradassay show {out}\n")
    assert result.stdout.splitlines()[-1] == "INCOMPLETE: the run stopped after 3 verdicts, none wrong"
    assert list(read(out)) == runs.good()[:4]


def test_ctrl_c_before_anything_was_computed(verify: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    verify([], KeyboardInterrupt())
    result = invoke("verify", "--out", str(out))
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "gradassay: interrupted\n")
    assert not out.exists()


def python(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a program that has the harness and the synthetic runs, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{HARNESS}{os.pathsep}{TESTS}", "COLUMNS": "80", "TERM": "dumb"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


PRELUDE = """
import signal, sys, time, types
import runs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with Ctrl-C ignored

def verify(targets, *, on_record, **options):
    records = getattr(runs, targets[0])()
    for record in records[:-1]:
        on_record(record)
    if "slow" in targets:
        time.sleep(60)
    on_record(records[-1])
    return records

module = types.ModuleType("gradassay._run")
module.verify = verify
sys.modules["gradassay._run"] = module
from gradassay.cli import main
main(prog_name="gradassay")
"""


@pytest.mark.parametrize(("records", "status"), [("good", 0), ("bad", 1)])
def test_the_exit_status_of_a_real_process(records: str, status: int) -> None:
    process = python(PRELUDE, "verify", records)
    out, error = process.communicate(timeout=60)
    assert process.returncode == status, error
    assert out.rstrip().splitlines()[-1].startswith("All 6 verdicts" if status == 0 else "FAILED: 1 failed")


def test_ctrl_c_of_a_real_process(tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    process = python(PRELUDE, "verify", "good", "slow", "--out", str(out))
    until = time.monotonic() + 60
    while not (out.exists() and out.read_bytes().count(b"\n") == len(runs.good()) - 1):
        assert time.monotonic() < until, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was computed is kept" in error
    assert "Traceback" not in error
    assert list(read(out)) == runs.good()[:-1]


@pytest.mark.parametrize("options", [(), ("--markdown",)])
def test_a_broken_pipe_is_quiet(tmp_path: Path, options: tuple[str, ...]) -> None:
    run = tmp_path / "run.jsonl"
    targets = [f"torch/mode{number}/cpu/float32" for number in range(5000)]
    run.write_bytes(b"".join(map(encode, [runs.header(targets), *map(lambda t: runs.verdict(target=t), targets)])))
    process = python("from gradassay.cli import main; main()", "show", str(run), *options)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.wait(60)
    process.stderr.close()
    assert error == ""


def test_help_is_fast_and_imports_click_alone() -> None:
    code = """
    import sys
    from gradassay.cli import main
    main(["--help"], standalone_mode=False)
    print(sorted({"numpy", "rich", "msgspec", "torch", "jax", "tensorflow", "flint"} & set(sys.modules)))
    """
    spent = []
    for _ in range(3):  # the least of three, in seconds of processor: other work on the machine is not the command's
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = python(code)
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    *usage, imported = out.splitlines()
    assert usage[0].startswith("Usage:")
    assert imported == "[]"
    assert min(spent) < 0.2


def test_help_names_the_commands_and_the_exit_status() -> None:
    text = invoke("--help").stdout
    commands = ["backends", "hunt", "new", "power", "replay", "show", "verify"]
    assert [word for word in commands if f"\n  {word} " in text] == commands
    text = invoke("verify", "--help").stdout
    assert "  --waivers FILE " in text and "  --no-diagnosis " in text
    assert "Exit status: 0  all is well, or a waiver expects what is not\n" in text
    options = (
        "--suite --spec --case --property --out --markdown --in-process --jobs --workers --deadline --sweep --no-cache"
    )
    assert [option for option in options.split() if f"  {option} " not in text] == []


def test_version() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("gradassay")


# --- show ------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(map(encode, runs.bad())))
    return path


def test_show_renders_a_run_and_exits_with_0_even_if_it_failed(saved: Path) -> None:
    result = invoke("show", str(saved))
    assert result.exit_code == 0
    assert "Time\n" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("FAILED: 1 failed of 7 verdicts")


def test_show_failed_and_markdown(saved: Path) -> None:
    assert invoke("show", str(saved), "--failed").stdout.startswith("What is wrong: 1 verdict on 1 target\n")
    assert invoke("show", str(saved), "--markdown").stdout.startswith("## Gradassay\n\n**FAILED")


def test_show_refuses_both_views_at_once(saved: Path) -> None:
    result = invoke("show", str(saved), "--failed", "--markdown")
    assert result.exit_code == 2
    assert result.stderr.startswith("gradassay: --markdown and --failed do not go together: ")


def test_show_of_a_torn_run_shows_what_there_is(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-7])
    result = invoke("show", str(saved))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("FAILED: 1 failed of 7 verdicts on 3 targets; the run stopped aft")


def test_show_of_garbage_exits_with_2_and_says_why(tmp_path: Path) -> None:
    garbage = tmp_path / "photo.png"
    garbage.write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    for path, message in ((garbage, "line 1 is not a record of a run"), (tmp_path / "no", "No such file or directory")):
        result = invoke("show", str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("gradassay: ")
        assert message in result.stderr
        assert "Traceback" not in result.stderr


# --- backends --------------------------------------------------------------------------------------------------


class Torch:
    name = "torch"
    offers = (
        Offer(
            "lstm",
            features=frozenset({"ragged", "layers"}),
            modes=(Mode("native"), Mode("aot", compiled=True), Mode("inductor", compiled=True, sweep=True)),
            dtypes=("float64", "bfloat16"),
            devices=("cpu", "cuda"),
            operators=frozenset({"vjp", "forward", "hvp"}),
            gaps=(Gap("oneDNN has no forward mode", frozenset({"hvp"}), dtypes=frozenset({"bfloat16"})), Gap("[no]")),
        ),
        Offer("mse"),
    )


def install(monkeypatch: pytest.MonkeyPatch, plugins: Mapping[str, Plugin]) -> None:
    monkeypatch.setattr(_plugins, "backends", lambda: dict(plugins))


def test_backends_lists_what_each_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plugins, "_import", lambda value: Torch())
    install(monkeypatch, {"torch": Plugin("backend", "torch", "gradassay_torch:b", "gradassay-torch", "0.1.0")})
    result = invoke("backends")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:9] == [
        "torch  (gradassay-torch 0.1.0)",
        "  lstm      modes       native, aot (compiled), inductor (compiled, sweep only)",
        "            dtypes      float64, bfloat16",
        "            devices     cpu, cuda",
        "            operators   forward, vjp, hvp",
        "            features    layers, ragged",
        "            cannot      hvp in bfloat16: oneDNN has no forward mode",
        "            cannot      anything: [no]",
        "  mse       modes       eager",
    ]
    assert "            features    none" in lines


def test_a_broken_backend_is_named_with_its_distribution_and_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(value: str) -> Torch:
        if value.startswith("broken"):
            raise ImportError("no module \x1b[31mnamed[0m broken")
        return Torch()

    monkeypatch.setattr(_plugins, "_import", load)
    install(
        monkeypatch,
        {
            "bad": Plugin("backend", "bad", "broken:b", "strangers-backend", "2.0"),
            "torch": Plugin("backend", "torch", "gradassay_torch:b", "gradassay-torch", "0.1.0"),
        },
    )
    result = invoke("backends")
    assert result.exit_code == 1
    words = " ".join(result.stdout.split())
    assert "torch (gradassay-torch 0.1.0)" in words
    assert "bad cannot be used backend `bad` of strangers-backend 2.0 (broken:b) fails to import: ImportError" in words
    assert "\x1b" not in result.stdout


def test_no_backend_at_all_says_how_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {})
    result = invoke("backends")
    assert result.exit_code == 2
    assert result.stderr.startswith("gradassay: no backend is installed; from this repository: pip install -e ")

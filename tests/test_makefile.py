"""`make` and `.ci/run` in a copy of the repository, with interpreters that only log what they were told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on the path")

# Logs its arguments; its version is in its name. `-m venv` copies it to the place of the environment's commands.
PYTHON = f"""#!{sys.executable}
import pathlib, shutil, sys
me, arguments = pathlib.Path(sys.argv[0]), sys.argv[1:]
version = me.name.removeprefix("python")
if arguments == ["--version"]:
    print("Python", version)
elif arguments[:1] == ["-c"]:
    sys.version_info = tuple(map(int, version.split(".")))
    exec(arguments[1])
else:
    with open("log", "a") as log:
        print(me.name, *arguments, file=log)
    if arguments[:2] == ["-m", "venv"]:
        commands = pathlib.Path(arguments[-1], "bin")
        commands.mkdir(parents=True)
        for name in ("python", "gradassay", "ruff", "mypy"):
            shutil.copy(me, commands / name)
    sys.exit(pathlib.Path("fails").exists() and pathlib.Path("fails").read_text() in " ".join([me.name, *arguments]))
"""

CREATE = "python3.12 -m venv --clear .venv"
INSTALL = "python -m pip install --disable-pip-version-check -r .venv/requirements.txt"
TEST = "python -m pytest --benchmark-skip -n 2"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with what `make` reads, all of it old, and interpreters."""
    manifests = [*ROOT.glob("specs/*/pyproject.toml"), *ROOT.glob("backends/*/pyproject.toml")]
    for source in (ROOT / "Makefile", ROOT / "requirements.txt", ROOT / "pyproject.toml", ROOT / ".ci/run", *manifests):
        there = tmp_path / source.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, there)
        os.utime(there, (1000, 1000))
    for name in ("python3.10", "python3.12"):
        (tmp_path / name).write_text(PYTHON)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(folder: Path, *command: str | Path, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    # Without MAKEFLAGS: what `make test BACKENDS=numpy` was told is not for the make in here.
    return subprocess.run(command, cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False)


def make(folder: Path, *arguments: str, python: str = "./python3.12") -> subprocess.CompletedProcess[str]:
    return run(folder, "make", f"PYTHON={python}", *arguments)


def log(folder: Path) -> list[str]:
    """Return what was run since the last look."""
    file = folder / "log"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def done(folder: Path, *arguments: str) -> list[str]:
    """Return what a `make` that succeeds ran."""
    ended = make(folder, *arguments)
    assert ended.returncode == 0, ended.stderr
    return log(folder)


def installed(folder: Path) -> list[str]:
    lines = (folder / ".venv/requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def stamps(folder: Path) -> list[str]:
    return [stamp.name for stamp in (folder / ".venv").glob("installed-*")]


SPECS = ("lstm", "mse", "classifier", "clip", "gru", "one_to_many", "rnn_tanh", "seq2seq", "truncated", "weighted_loss")
CORE = ["-e .[dev,report]", *(f"-e specs/{name}" for name in SPECS)]


@needs_make
def test_a_fresh_clone_sets_itself_up_and_a_second_call_does_only_the_job(copy: Path) -> None:
    ended = make(copy, "test")
    assert ended.returncode == 0, ended.stderr
    assert "Creating .venv with Python 3.12" in ended.stdout
    assert "Installing the core, the specs and jax numpy tensorflow torch into .venv" in ended.stdout
    assert log(copy) == [CREATE, INSTALL, TEST]
    everything = (copy / "requirements.txt").read_text().splitlines()
    assert installed(copy) == [line for line in everything if line and not line.startswith("#")]
    assert done(copy, "test", "ARGS=-k frame -x") == [f"{TEST} -k frame -x"]
    assert done(copy, "check") == ["ruff check", "ruff format --check", "mypy"]


@needs_make
@pytest.mark.parametrize(
    "touched", ["pyproject.toml", "requirements.txt", "specs/lstm/pyproject.toml", "backends/jax/pyproject.toml"]
)
def test_what_is_stale_is_installed_again(copy: Path, touched: str) -> None:
    done(copy, "test")
    (stamp,) = (copy / ".venv").glob("installed-*")
    os.utime(copy / ".venv/bin/python", (2000, 2000))
    os.utime(stamp, (3000, 3000))
    assert done(copy, "test") == [TEST]
    os.utime(copy / touched, (4000, 4000))
    assert done(copy, "test") == [INSTALL, TEST]
    assert done(copy, "test") == [TEST]


@needs_make
def test_a_part_is_installed_and_verified_alone(copy: Path) -> None:
    assert done(copy, "verify", "BACKENDS=numpy") == [
        CREATE,
        INSTALL,
        "gradassay verify --baseline reports/baselines numpy",
    ]
    assert installed(copy) == [*CORE, "-e backends/numpy"]
    assert "torch" in (copy / "requirements.txt").read_text()


@needs_make
def test_a_further_part_joins_what_is_there(copy: Path) -> None:
    done(copy, "verify", "BACKENDS=numpy")
    assert done(copy, "verify", "BACKENDS=torch") == [
        INSTALL,
        "gradassay verify --baseline reports/baselines torch torch-cell",
    ]
    assert [line.partition("==")[0] for line in installed(copy)] == [
        *CORE,
        "-e backends/numpy",
        "torch",
        "-e backends/torch",
    ]
    assert stamps(copy) == ["installed-numpy+torch"]
    for part in ("numpy", "torch", "torch numpy"):
        assert INSTALL not in done(copy, "test", f"BACKENDS={part}")
    assert done(copy, "verify", "BACKENDS=numpy", "ARGS=--suite smoke") == [
        "gradassay verify --baseline reports/baselines numpy --suite smoke"
    ]
    assert INSTALL in done(copy, "test")
    assert stamps(copy) == ["installed-jax+numpy+tensorflow+torch"]


@needs_make
def test_a_backend_that_there_is_not_is_refused_with_those_there_are(copy: Path) -> None:
    ended = make(copy, "verify", "BACKENDS=numpy nump")
    assert ended.returncode != 0 and log(copy) == [] and not (copy / ".venv").exists()
    assert "BACKENDS has nump; it should be some of: numpy torch tensorflow jax." in ended.stderr


@needs_make
@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("./python3.10", "./python3.10 is Python 3.10; it should be Python 3.11 or newer: make PYTHON="),
        ("./python3.99", "there is no ./python3.99: install Python 3.11 or newer, or name one: make PYTHON="),
    ],
)
def test_a_python_that_is_too_old_or_missing_is_told(copy: Path, python: str, message: str) -> None:
    ended = make(copy, "test", python=python)
    assert ended.returncode != 0 and log(copy) == [] and not (copy / ".venv").exists()
    assert message in ended.stderr


@needs_make
@pytest.mark.parametrize(("fails", "again"), [("-m venv", [CREATE, INSTALL, TEST]), ("-m pip", [INSTALL, TEST])])
def test_what_fails_half_way_is_done_again(copy: Path, fails: str, again: Sequence[str]) -> None:
    (copy / "fails").write_text(fails)
    assert make(copy, "test").returncode != 0
    assert TEST not in log(copy)
    (copy / "fails").unlink()
    assert done(copy, "test") == again


@needs_make
def test_a_job_that_fails_fails_make(copy: Path) -> None:
    (copy / "fails").write_text("gradassay verify")
    assert make(copy, "verify").returncode != 0
    assert (
        log(copy)[-1]
        == "gradassay verify --baseline reports/baselines numpy torch torch-cell tensorflow tensorflow-loop jax"
    )


# --- .ci/run


@pytest.mark.parametrize(
    ("fails", "ran"),
    [
        ("nothing", ["check", "test", "verify"]),
        ("check", ["check"]),
        ("test", ["check", "test"]),
        ("verify", ["check", "test", "verify"]),
    ],
)
def test_ci_runs_what_a_newcomer_types_and_stops_where_it_fails(copy: Path, fails: str, ran: Sequence[str]) -> None:
    commands = copy / "commands"
    commands.mkdir()
    (commands / "make").write_text(f'#!/bin/sh\necho "$@" >> log\n[ "$1" != {fails} ]\n')  # in the repository's root
    (commands / "make").chmod(0o755)
    (commands / "chromium").symlink_to("make")  # there is a browser: none is installed
    ended = run(commands, copy / ".ci/run", path=f"{commands}:{os.environ['PATH']}")
    assert (ended.returncode == 0) == (fails == "nothing"), ended.stderr
    assert log(copy) == ran

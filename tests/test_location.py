"""Backends in a file or a module: found, described by another process, verified under the name as typed, or refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from functions import NUMPY

from gradassay._errors import UsageError
from gradassay._location import Location, backend_of, is_location, split, unnamed
from gradassay._plugins import find
from gradassay._run import verify
from gradassay._target import parse

SEEN = "import os\nwith open('seen', 'a') as stream:\n    stream.write(os.environ.get('OMP_NUM_THREADS', '-'))\n"
LOADED = "import os\nwith open('loaded', 'a') as stream:\n    stream.write(f'{os.getpid()} ')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "gradassay.cli", *arguments]
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


# --- names


@pytest.mark.parametrize(
    ("text", "backend", "parts"),
    [
        ("fast.py:lstm", "fast.py:lstm", []),
        ("fast.py:lstm/float32", "fast.py:lstm", ["float32"]),
        ("kernels/v2/fast.py:lstm/eager/cpu:1/float32", "kernels/v2/fast.py:lstm", ["eager", "cpu:1", "float32"]),
        ("/abs/fast.py:lstm/float32", "/abs/fast.py:lstm", ["float32"]),
        ("../fast.py:Class.method", "../fast.py:Class.method", []),
        ("package.module:lstm/float32", "package.module:lstm", ["float32"]),
        ("fast.py:lstm/", "fast.py:lstm", [""]),
        ("jax/cpu:1", "jax", ["cpu:1"]),
        ("torch", "torch", []),
        ("torch/float32", "torch", ["float32"]),
    ],
)
def test_a_target_is_split_where_its_backend_ends(text: str, backend: str, parts: list[str]) -> None:
    assert split(text) == (backend, parts)
    assert backend_of(text) == backend
    assert is_location(backend) == (":" in backend)


def test_a_file_without_a_name_in_it_is_told_which_there_are(folder: Path) -> None:
    (folder / "fast.py").write_text("@decorated\ndef lstm(): ...\ndef helper(): ...\n")
    message = "target 'fast.py/float32' names no function of fast.py: write fast.py:lstm; it has lstm"
    assert unnamed("fast.py/float32") == message
    assert unnamed("fast.py:") == message.replace("fast.py/float32", "fast.py:")
    assert unnamed("gone.py") == "target 'gone.py' names no function of gone.py: write gone.py:NAME"
    assert unnamed("fast.py:lstm") == unnamed("torch/float32") == ""
    with pytest.raises(UsageError, match="names no function of fast.py"):
        parse("fast.py", {})


# --- what is wrong with a file, in plain words

WRONG: dict[str, tuple[str, str, str]] = {
    "no such name": (
        NUMPY,
        "file.py:lstn",
        "file.py has no lstn: it has lstm; did you mean file.py:lstm?",
    ),
    "nothing decorated": (
        "def gru(): ...",
        "file.py:lstm",
        "file.py has no lstm: it has no backend, but the plain function gru",
    ),
    "not decorated": (
        "def lstm(config, parameters, inputs): ...",
        "file.py:lstm",
        "file.py:lstm is a plain function, which does not say what it computes: put this above it:\n"
        'from gradassay_torch import backend  (or _jax, _tensorflow, _numpy)\n@backend(spec="lstm")',
    ),
    "no function at all": (
        "lstm = 3",
        "file.py:lstm",
        "file.py:lstm is of type int and no backend: it has no name. For a function, put this above it:\n",
    ),
    "no brackets": (
        "from gradassay_numpy import backend\n@backend\ndef lstm(config, parameters, inputs): ...",
        "file.py:lstm",
        'file.py fails to import: UsageError: @backend needs the name of a spec: write @backend(spec="lstm") above',
    ),
    "an error of its own": (
        "def half(n):\n    return n / 0\n\nhalf(3)",
        "file.py:lstm",
        "file.py fails to import: ZeroDivisionError: division by zero\n"
        "file.py, line 4, in <module>: half(3)\n"
        "file.py, line 2, in half: return n / 0",
    ),
    "an import": (
        "import no_such_framework",
        "file.py:lstm",
        "file.py fails to import: ModuleNotFoundError: No module named 'no_such_framework'\n"
        "file.py, line 1, in <module>: import no_such_framework",
    ),
    "an exit": ("raise SystemExit(3)", "file.py:lstm", "file.py fails to import: SystemExit: 3\nfile.py, line 1"),
    "syntax": (
        "x = 1\ndef lstm(:\n    pass",
        "file.py:lstm",
        "file.py, line 2: invalid syntax\ndef lstm(:",
    ),
    "a spec that is not installed": (
        NUMPY.replace('"lstm"', '"lstn"', 1),
        "file.py:lstm",
        "file.py:lstm: there is no spec `lstn`: there are ",
    ),
    "a crash": (
        "import os\nprint('last words', flush=True)\nos.kill(os.getpid(), 9)",
        "file.py:lstm",
        "the process of file.py:lstm was killed by SIGKILL\nlast words",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_told(what: str, folder: Path) -> None:
    source, target, message = WRONG[what]
    (folder / "file.py").write_text(source)
    with pytest.raises(UsageError) as caught:
        verify([target])
    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_there_is_told_where_it_was_looked_for(folder: Path) -> None:
    (folder / "fast.py").write_text("")
    (folder / "kernels").mkdir()
    with pytest.raises(UsageError, match=re.escape(f"there is no file fats.py in {folder}; did you mean fast.py?")):
        verify(["fats.py:lstm"])
    (folder / "folder.py").mkdir()
    with pytest.raises(UsageError, match="folder.py is a folder; name a file of it, such as folder.py/fast.py:lstm"):
        verify(["folder.py:lstm"])


def test_a_module_that_is_not_there_may_have_been_a_file(folder: Path) -> None:
    message = f"there is no module fast in {folder} or where Python looks; for a file, write fast.py:lstm"
    with pytest.raises(UsageError, match=re.escape(message)):
        verify(["fast:lstm"])


def test_the_command_prints_the_message_and_exits_with_2(folder: Path) -> None:
    (folder / "file.py").write_text("def lstm(:")
    ended = run("verify", "file.py:lstm")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "gradassay: file.py, line 1: invalid syntax\n  def lstm(:\n"


# --- a right one


def test_this_process_never_runs_the_file(folder: Path) -> None:
    (folder / "fast.py").write_text(LOADED + NUMPY)
    described = find("backend", "fast.py:lstm").load()
    assert described.name == "fast.py:lstm"
    (offer,) = described.offers
    assert (offer.spec, offer.features, offer.operators, offer.devices) == (
        "lstm",
        frozenset({"layers"}),
        frozenset({"forward"}),
        ("cpu",),
    )
    assert described.environment()["OMP_NUM_THREADS"] == "1"
    pids = {int(pid) for pid in (folder / "loaded").read_text().split()}
    assert pids and os.getpid() not in pids
    assert not [name for name in sys.modules if name.startswith("gradassay_file_")]


def test_a_file_is_described_again_when_it_has_changed(folder: Path) -> None:
    (folder / "fast.py").write_text(NUMPY)
    assert find("backend", "fast.py:lstm").load() is find("backend", "fast.py:lstm").load()
    (folder / "fast.py").write_text(NUMPY.replace('{"layers"}', '{"layers", "no_bias"}'))
    assert find("backend", "fast.py:lstm").load().offers[0].features == {"layers", "no_bias"}


def test_what_must_be_set_before_the_import_is_set_when_it_is_verified(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process is not told; the one that works is started with what the first one said."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (folder / "fast.py").write_text(SEEN + NUMPY)
    verify(["fast.py:lstm/float32"], suites=["rungs"], cases=["states"], specs=["lstm"], cache=False)
    assert (folder / "seen").read_text() == "-1"


@pytest.mark.parametrize("typed", ["kernels/fast.py:lstm", "kernels.fast:lstm"])
def test_records_bear_the_name_as_typed_and_the_replay_works(typed: str, folder: Path) -> None:
    (folder / "kernels").mkdir()
    (folder / "kernels" / "helper.py").write_text("GATES = 'ifgo'\n")
    where = "import helper\n" if ".py" in typed else "from kernels import helper\n"
    wrong = NUMPY.replace("np.split(x @ w.T + h @ u.T + b, 4", "np.split(x @ w.T + h @ u.T + 2 * b, 4")
    (folder / "kernels" / "fast.py").write_text(where + wrong)
    ended = run("verify", f"{typed}/float32", "--suite", "smoke", "--case", "plain", "--property", "values")
    said = " ".join(ended.stdout.split())
    assert ended.returncode == 1, ended.stderr
    assert f"{typed}/eager/cpu/float32" in said and "FAILED: 3 failed of 3 verdicts on 1 target" in said
    replay = re.search(r"gradassay (verify .*)$", ended.stdout, flags=re.MULTILINE)
    assert replay and replay.group(1).startswith(f"verify {typed}/eager/cpu/float32 --spec lstm --suite smoke")
    again = run(*replay.group(1).split())
    assert again.returncode == 1 and "FAILED: " in again.stdout


def test_a_right_function_passes_with_its_ladder_told_in_a_line(folder: Path) -> None:
    (folder / "fast.py").write_text(NUMPY)
    ended = run("verify", "fast.py:lstm/float32", "--suite", "smoke")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Ladder: fast.py:lstm/eager/cpu/float64 stands on 2 rungs: states, layers" in ended.stdout
    assert "forward only: gradients are not verified" in " ".join(ended.stdout.split())
    assert ended.stdout.splitlines()[-1].startswith("All ")


def test_a_wrong_one_falls_and_exits_with_1(folder: Path) -> None:
    (folder / "fast.py").write_text(NUMPY.replace("i, f, g, o = ", "i, f, o, g = "))
    ended = run("verify", "fast.py:lstm")
    assert ended.returncode == 1
    assert "the gate order is i, f, o, g; should be i, f, g, o" in " ".join(ended.stdout.split())
    assert ended.stdout.splitlines()[-1] == "FAILED: 1 failed of 1 verdict on 1 target; 2 skipped"


def test_in_process_it_is_this_process_that_runs_the_file(folder: Path) -> None:
    (folder / "fast.py").write_text(LOADED + NUMPY)
    records = verify(["fast.py:lstm/float64"], suites=["smoke"], cases=["plain"], in_process=True, cache=False)
    assert {r.outcome for r in records if getattr(r, "property", "") == "values"} == {"passed"}
    assert str(os.getpid()) in (folder / "loaded").read_text().split()
    del sys.modules["gradassay_file_fast"]


def test_a_crash_in_a_call_costs_one_rung_and_says_so(folder: Path) -> None:
    crash = "    import os\n    os.kill(os.getpid(), 11)\n"
    head, sign, body = NUMPY.partition("def lstm(config, parameters, inputs):\n")
    (folder / "fast.py").write_text(head + sign + crash + body)
    ended = run("verify", "fast.py:lstm")
    assert ended.returncode == 1
    assert "crash: the process of fast.py:lstm was killed by SIGSEGV" in " ".join(ended.stdout.split())


def test_opening_by_hand_gives_the_object(folder: Path) -> None:
    (folder / "fast.py").write_text(NUMPY)
    found = Location.of("fast.py:lstm").open()
    assert found.name == "lstm" and callable(found)
    del sys.modules["gradassay_file_fast"]

"""`gradassay new backend`: what it writes says what is to be filled in, and passes once it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from functions import SOURCES

from gradassay._errors import UsageError
from gradassay._new import FRAMEWORKS, new_backend

INSTALLED = [name for name in sorted(FRAMEWORKS) if find_spec(name) is not None]


def run(*arguments: str, path: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    if path:
        environment["PYTHONPATH"] = os.pathsep.join([path, *sys.path])
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)


def body(framework: str) -> str:
    """Return the lines of a right function, as an author fills them in; further functions are put inside."""
    source = SOURCES[framework]
    helpers = "".join(re.findall(r"^def (?!lstm).*?(?=^@)", source, flags=re.MULTILINE | re.DOTALL))
    inner = "".join(f"    {line}\n" if line else "\n" for line in helpers.splitlines())
    return inner + source.partition("def lstm(config, parameters, inputs):\n")[2]


def filled_in(file: Path, framework: str) -> None:
    text = file.read_text()
    imports = {"jax": "    import jax\n"}.get(framework, "")
    text, count = re.subn(
        r"    raise NotImplementedError\(.*?\n    \)\n", lambda _: imports + body(framework), text, flags=re.DOTALL
    )
    assert count == 1
    file.write_text(text.replace("features=set()", 'features={"layers"}'))


@pytest.mark.parametrize("framework", INSTALLED)
def test_a_file_of_a_new_backend_says_what_is_to_be_filled_in_and_then_passes(framework: str, tmp_path: Path) -> None:
    written = new_backend("my-own", framework, "lstm", tmp_path)
    assert written.folder == tmp_path / "my-own" and written.file.is_file()
    target = f"{written.file}:{written.function}/float64"
    # The whole smoke suite is for one framework here; the others are compiled, or slow to start.
    narrow = [] if framework == "numpy" else ["--case", "plain", "--property", "gradients"]
    before = run("gradassay.cli", "verify", target, "--suite", "smoke")
    assert before.returncode == 1
    said = " ".join(before.stdout.split())
    wanted = (
        "NotImplementedError: fill in lstm of gradassay_my_own/_lstm.py: compute y, h_n, c_n, and return them by name"
    )
    assert wanted in said
    assert "FAILED: 1 errored of 1 verdict" in said
    filled_in(written.file, framework)
    after = run("gradassay.cli", "verify", target, "--suite", "smoke", *narrow)
    assert after.returncode == 0, after.stdout + after.stderr


def test_the_function_is_told_what_it_is_given(tmp_path: Path) -> None:
    text = new_backend("my-own", "numpy", "lstm", tmp_path).file.read_text()
    for line in (
        "x             (rows, steps, features)",
        "weight_ih_l0  (gates x units, features)",
        "c_n           (layers x directions, rows, units)",
        "#     absent_states, bidirectional, dropout, layers,",
        "config has input_size, hidden_size, num_layers, bidirectional, bias, projection",
    ):
        assert line in text


@pytest.mark.parametrize("framework", [name for name in ("numpy", "torch") if name in INSTALLED])
def test_an_installed_one_is_found_and_passes_its_own_tests(framework: str, tmp_path: Path) -> None:
    written = new_backend("mine", framework, "lstm", tmp_path)
    project = tomllib.loads((written.folder / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["gradassay", "gradassay-lstm", f"gradassay-{framework}"]
    site = tmp_path / "site"
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    installed = run("pip", "install", *offline, "--target", str(site), str(written.folder))
    assert installed.returncode == 0, installed.stderr
    missing = run("gradassay.cli", "verify", "mine", "--suite", "smoke", path=str(site))
    assert missing.returncode == 1 and "fill in lstm of gradassay_mine/_lstm.py" in " ".join(missing.stdout.split())
    filled_in(site / "gradassay_mine" / "_lstm.py", framework)
    found = run("gradassay.cli", "verify", "mine/float64", "--suite", "smoke", path=str(site))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Ladder: mine/eager/cpu/float64 stands on 2 rungs: states, layers" in found.stdout
    tests = run("pytest", "-q", "-p", "no:cacheprovider", "tests", "-k", "plain", path=str(site), cwd=written.folder)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout


def test_its_module_imports_no_framework(tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        file = new_backend(f"mine-{framework}", framework, "lstm", tmp_path).file
        module = [line for line in file.read_text().splitlines() if re.match(r"(import|from) ", line)]
        assert module == [
            "from collections.abc import Mapping",
            "from typing import Any",
            f"from gradassay_{framework} import backend",
        ]


@pytest.mark.parametrize(
    ("name", "framework", "spec", "message"),
    [
        (
            "My Backend",
            "torch",
            "lstm",
            "'My Backend' is no name for a backend: it should be lower-case words joined by -",
        ),
        ("numpy", "torch", "lstm", r"backend `numpy` of gradassay-numpy .* is installed already; choose another name"),
        ("mine", "trch", "lstm", "there is no framework `trch`: there are .*; did you mean `torch`?"),
        ("mine", "torch", "lstn", "there is no spec `lstn`: there are .*lstm"),
        ("there", "torch", "lstm", "there is there already; remove it, or give another name or --into"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, framework: str, spec: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match=message):
        new_backend(name, framework, spec, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    ended = run("gradassay.cli", "new", "backend", "mine", "--framework", "numpy", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (
        "mine is written: fill in lstm of mine/gradassay_mine/_lstm.py, then\n"
        "  gradassay verify mine/gradassay_mine/_lstm.py:lstm\n"
        "  pip install -e mine\n"
        "  gradassay verify mine\n"
    )
    again = run("gradassay.cli", "new", "backend", "mine", "--framework", "numpy", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "gradassay: mine is there already; remove it, or give another name or --into\n"

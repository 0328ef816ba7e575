"""The tutorials of CONTRIBUTING.md do what they say: files are written, commands run, and what is printed compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"
BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# What is installed goes to a folder of the test's own, built without a network.
PIP = """\
#!/bin/sh
shift 2  # install -e
exec "{python}" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \\
    --target "{site}" "./$1"
"""


@dataclass(frozen=True)
class Step:
    """A file to write, or a command with what it prints; `...` stands for any text."""

    file: str = ""
    text: str = ""
    command: str = ""


def steps(page: str, section: str) -> list[Step]:
    part = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    assert part is not None, f"there is no section '{section}'"
    found = []
    for block in BLOCK.finditer(part.group(1)):
        if block["file"]:
            found.append(Step(file=block["file"], text=block["text"]))
        elif block["kind"] == "console":
            for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block["text"], flags=re.MULTILINE):
                found.append(Step(text=printed, command=command))
    return found


def differs(printed: str, told: str) -> str:
    """Say which line of what is told is not printed where it should be; nothing, if all is."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"[ ]*\n"
        for line in told.splitlines()
    )
    return "" if re.fullmatch(pattern, printed) else f"told:\n{told}\nprinted:\n{printed}"


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `gradassay` is this one, and `pip install` goes to a folder of its own."""
    commands, site = tmp_path / "commands", tmp_path / "site"
    commands.mkdir()
    (commands / "pip").write_text(PIP.format(python=sys.executable, site=site))
    (commands / "gradassay").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m gradassay.cli "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    path = os.pathsep.join([str(site), *sys.path])
    return os.environ | {
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "PYTHONPATH": path,
        "COLUMNS": "80",
        "TERM": "dumb",
    }


def follow(found: list[Step], folder: Path, shell: dict[str, str]) -> None:
    folder.mkdir()
    for step in found:
        if step.file:
            file = folder / step.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text)
            continue
        ended = subprocess.run(
            step.command, shell=True, cwd=folder, env=shell, capture_output=True, text=True, check=False
        )
        assert not (fault := differs(ended.stdout, step.text)), f"{step.command}\n{fault}\n{ended.stderr}"
        wanted = 1 if "FAILED: " in step.text else 0
        assert ended.returncode == wanted, f"{step.command} exits with {ended.returncode}\n{ended.stderr}"


@pytest.mark.skipif(find_spec("torch") is None, reason="the tutorial is in torch")
def test_adding_a_backend(tmp_path: Path, shell: dict[str, str]) -> None:
    found = steps(PAGE.read_text(encoding="utf-8"), "Add a backend")
    assert [step.file for step in found if step.file] == ["fast.py", "fast.py", "mine/gradassay_mine/_lstm.py"]
    assert len([step for step in found if step.command]) == 6
    follow(found, tmp_path / "empty", shell)


def test_adding_a_spec(tmp_path: Path, shell: dict[str, str]) -> None:
    found = steps(PAGE.read_text(encoding="utf-8"), "Add a spec")
    assert len([step for step in found if step.file]) == 4
    assert len([step for step in found if step.command]) == 3
    follow(found, tmp_path / "empty", shell)


def test_a_tutorial_that_says_something_else_is_found_out(tmp_path: Path, shell: dict[str, str]) -> None:
    page = "## Add\n\n<!-- file: a.txt -->\n```text\nhello\n```\n\n```console\n$ cat a.txt\n{}\n```\n"
    follow(steps(page.format("hello"), "Add"), tmp_path / "one", shell)
    follow(steps(page.format("..."), "Add"), tmp_path / "two", shell)
    with pytest.raises(AssertionError, match=r"told:\s+goodbye\s+printed:\s+hello"):
        follow(steps(page.format("goodbye"), "Add"), tmp_path / "three", shell)
    failing = "## Add\n\n```console\n$ false\n```\n"
    with pytest.raises(AssertionError, match="false exits with 1"):
        follow(steps(failing, "Add"), tmp_path / "four", shell)


@pytest.mark.parametrize(
    ("printed", "told", "same"),
    [
        ("a\nb\nc\n", "a\n...\nc\n", True),
        ("a\nb\nc\n", "...\nc\n", True),
        ("a\nb\n", "a\nb\n", True),
        ("a 12 b\n", "a ... b\n", True),
        ("a\nb\nc\n", "a\nc\n", False),
        ("a\nb\n", "...\na\n", False),
    ],
)
def test_three_dots_stand_for_any_text(printed: str, told: str, same: bool) -> None:
    assert (differs(printed, told) == "") is same

"""What CI is given: the action, the workflows and docs/ci.md parse, name what there is, and the action's steps run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
import yaml

from gradassay._record import Header, read
from gradassay.cli import main
from gradassay.views._summary import Summary

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "verify" / "action.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGE = ROOT / "docs" / "ci.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return found


def steps() -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in action()["runs"]["steps"]}


def fences(kind: str) -> list[str]:
    return [text for found, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if found == kind]


def texts(held: Any) -> Iterator[str]:
    """Every text in a parsed file."""
    if isinstance(held, str):
        yield held
    elif isinstance(held, dict):
        for value in held.values():
            yield from texts(value)
    elif isinstance(held, list):
        for value in held:
            yield from texts(value)


def scripts(held: Any) -> Iterator[str]:
    """Every shell script in a parsed workflow or action."""
    if isinstance(held, dict):
        if isinstance(held.get("run"), str):
            yield held["run"]
        held = list(held.values())
    if isinstance(held, list):
        for value in held:
            yield from scripts(value)


# --- the files as they stand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_jobs_and_read_alone(path: Path) -> None:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert found["jobs"]
    assert found["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in found["jobs"].values())


def test_the_repositorys_own_workflow_runs_what_ci_runs() -> None:
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").is_file()


def test_the_action_is_composite_and_says_what_each_input_is() -> None:
    found = action()
    assert found["runs"]["using"] == "composite"
    for name, told in {**found["inputs"], **found["outputs"]}.items():
        assert told["description"], name
    assert all(isinstance(told["default"], str) for told in found["inputs"].values())
    assert all(step.get("shell") == "bash" for step in found["runs"]["steps"] if "run" in step)


def test_every_input_that_is_used_is_declared_and_every_one_that_is_declared_is_used() -> None:
    expressions = [found for text in texts(action()) for found in EXPRESSION.findall(text)]
    conditions = [step["if"] for step in action()["runs"]["steps"] if "if" in step]
    used = {name for text in (*expressions, *conditions) for name in re.findall(r"inputs\.([\w-]+)", text)}
    assert used == set(action()["inputs"])


def test_what_a_step_uses_of_another_is_what_that_one_gives() -> None:
    used = {found for text in texts(action()) for found in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text)}
    given = {
        (step["id"], name)
        for step in action()["runs"]["steps"]
        if "id" in step
        for name in re.findall(r'^\s*echo "(\w+)=', step["run"], flags=re.MULTILINE)
    }
    assert used <= given


def parsed() -> list[tuple[str, Any]]:
    """The action, the workflows, and those of the page."""
    files = [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in (ACTION, *WORKFLOWS)]
    pages = [(f"docs/ci.md, YAML {number}", text) for number, text in enumerate(fences("yaml"), start=1)]
    return [(name, yaml.safe_load(text)) for name, text in (*files, *pages)]


@pytest.mark.parametrize(("name", "held"), parsed(), ids=[name for name, _ in parsed()])
def test_no_expression_is_pasted_into_a_script(name: str, held: Any) -> None:
    for script in scripts(held):
        assert "${{" not in script, name


@pytest.mark.parametrize(("name", "held"), parsed(), ids=[name for name, _ in parsed()])
def test_scripts_are_bash(name: str, held: Any) -> None:
    for script in scripts(held):
        found = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False, timeout=60)
        assert found.returncode == 0, f"{name}: {found.stderr}"


def test_actions_of_others_are_pinned_by_their_major_version() -> None:
    used = {found for _, held in parsed() for found in texts(held) if re.match(r"[\w-]+/[\w/-]+@", found)}
    assert {found for found in used if found.startswith("actions/")} >= {
        "actions/cache@v4",
        "actions/checkout@v4",
        "actions/setup-python@v5",
        "actions/upload-artifact@v4",
    }
    assert all(re.search(r"@v\d+$", found) for found in used if found.startswith("actions/"))


# --- command lines ---------------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `gradassay` command in a script, with what a shell would put in by a word of its own."""
    for line in text.replace("\\\n", " ").splitlines():
        for found in re.finditer(r"(?:^|[;&|(]\s*|\$ )gradassay ([a-z].*)", line.strip()):
            yield shlex.split(re.sub(r"\s*(\|\||&&|;|\d?>).*", "", found[1]), comments=True)


def given() -> list[list[str]]:
    found = [words for _, held in parsed() for script in scripts(held) for words in commands(script)]
    found += [words for kind in ("console", "bash", "groovy") for text in fences(kind) for words in commands(text)]
    found += [words for held in (h for _, h in parsed()) for text in texts(held) for words in commands(text)]
    page = re.sub(FENCE, "", PAGE.read_text(encoding="utf-8"))
    return found + [shlex.split(text) for text in re.findall(r"`gradassay ([a-z]+ [^`]+)`", page)]


def test_every_command_line_is_one_that_there_is() -> None:
    lines = given()
    assert {words[0] for words in lines} >= {"verify", "merge", "show", "diff", "report", "replay"}
    for words in lines:
        command = main.get_command(click.Context(main), words[0])
        name, *rest = words
        if isinstance(command, click.Group):
            name, *rest = rest
            command = command.get_command(click.Context(command), name)
        assert command is not None, words
        # A shell variable stands for one word.
        arguments = [
            "1/2" if "$" in word and before == "--shard" else word
            for before, word in zip([name, *rest], rest, strict=False)
        ]
        try:
            command.make_context(name, arguments)
        except click.exceptions.Exit:  # --help
            pass
        except click.UsageError as error:
            pytest.fail(f"gradassay {' '.join(words)}: {error.format_message()}")


# --- the steps of the action, run as GitHub runs them ----------------------------------------------------------


@pytest.fixture
def github(tmp_path: Path) -> dict[str, str]:
    """The environment of a step, in a folder of its own: `python` and `gradassay` are those of the tests."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (commands / "gradassay").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m gradassay.cli "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    for name in ("output", "env", "summary"):
        (tmp_path / name).touch()
    return {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"} | {
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_ENV": str(tmp_path / "env"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
    }


def step(name: str, github: Mapping[str, str], cwd: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step with the inputs that are given, and with the defaults of the others."""
    found = steps()[name]
    known = {key: told["default"] for key, told in action()["inputs"].items()} | inputs
    environment = dict(github)
    for variable, value in found.get("env", {}).items():
        environment[variable] = EXPRESSION.sub(lambda one: known[one[1].strip().removeprefix("inputs.")], value)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found["run"]],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


QUICK = {"targets": "numpy/float64", "suite": "smoke", "shard": "1/6"}
WRONG = """\
import numpy as np
from gradassay_numpy import backend

@backend(spec="mse")
def mse(config, parameters, inputs):
    return {"loss": np.asarray(1.25 * np.mean(inputs["target"] ** 2))}
"""


def test_the_step_that_prepares_names_the_cache_and_the_artifact(github: dict[str, str], tmp_path: Path) -> None:
    def outputs(**inputs: str) -> dict[str, str]:
        (tmp_path / "output").write_text("")
        done = step("Prepare", github, tmp_path, **inputs)
        assert done.returncode == 0, done.stderr
        return dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())

    plain = outputs()
    assert (plain["run"], plain["artifact"]) == ("gradassay/run.jsonl", "gradassay")
    assert re.fullmatch(r"[0-9a-f]{16}", plain["key"])
    shard = outputs(shard="2/4", artifact="mine", folder="out put")
    assert (shard["run"], shard["artifact"]) == ("out put/run.jsonl", "mine-2-of-4")
    assert len({plain["key"], shard["key"], outputs(suite="smoke")["key"]}) == 3
    assert (tmp_path / "gradassay").is_dir() and (tmp_path / "out put").is_dir()
    assert f"GRADASSAY_CACHE={tmp_path}/temp/gradassay-cache" in (tmp_path / "env").read_text().splitlines()
    cached = steps()["Keep truth between runs"]["with"]
    assert cached["path"] == "${{ runner.temp }}/gradassay-cache"
    assert cached["key"].startswith(cached["restore-keys"])


def test_what_would_write_outputs_of_its_own_is_refused(github: dict[str, str], tmp_path: Path) -> None:
    done = step("Prepare", github, tmp_path, artifact="a\nkey=stolen")
    assert done.returncode == 1
    assert done.stdout == "::error::folder, artifact and shard should be one line each\n"
    assert (tmp_path / "output").read_text() == ""


def test_without_gradassay_the_action_says_what_to_install(github: dict[str, str], tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    done = step("Prepare", github | {"PATH": f"{bare}:/usr/bin:/bin"}, tmp_path)
    assert done.returncode == 1
    assert "::error::gradassay is not installed: give the arguments of pip in the input 'install'" in done.stdout


def test_the_step_that_verifies_writes_the_run_junit_and_the_summary(github: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gradassay").mkdir()
    done = step("Verify", github, tmp_path, **QUICK)
    assert done.returncode == 0, done.stderr
    summary = Summary.of(read(tmp_path / "gradassay" / "run.jsonl"))
    assert summary.well and isinstance(summary.header, Header)
    assert (summary.header.suites, summary.header.shard) == (("smoke",), "1/6")
    assert summary.header.targets == ("numpy/eager/cpu/float64",)
    assert ElementTree.parse(tmp_path / "gradassay" / "junit.xml").getroot().tag == "testsuites"
    assert (tmp_path / "summary").read_text().startswith("## Gradassay, shard 1/6\n\n**All ")
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("::stop-commands::") and last == f"::{first.removeprefix('::stop-commands::')}::"


def test_inputs_of_several_lines_are_all_read(github: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gradassay").mkdir()
    asked = {"targets": "numpy/float64\nnumpy/float32\n", "suite": "smoke\nquestions", "shard": "1/12"}
    step("Verify", github, tmp_path, **asked)
    [header] = [record for record in read(tmp_path / "gradassay" / "run.jsonl") if isinstance(record, Header)]
    assert header.targets == ("numpy/eager/cpu/float64", "numpy/eager/cpu/float32")
    assert set(header.suites) == {"smoke", "questions"}


def test_a_red_run_fails_its_step_and_is_reported_all_the_same(github: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gradassay").mkdir()
    (tmp_path / "fast.py").write_text(WRONG)
    asked = {"targets": "fast.py:mse/float64", "suite": "smoke"}
    done = step("Verify", github, tmp_path, **asked)
    assert done.returncode == 1, done.stderr
    assert "**FAILED: " in (tmp_path / "summary").read_text()
    root = ElementTree.parse(tmp_path / "gradassay" / "junit.xml").getroot()
    assert int(root.attrib["failures"]) > 0
    assert "!cancelled()" in steps()["Keep the files"]["if"]
    reported = step("Report", github, tmp_path, **asked)
    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "gradassay" / "report.html").read_text(encoding="utf-8").startswith("<!")
    base = tmp_path / "base.jsonl"
    base.write_bytes((tmp_path / "gradassay" / "run.jsonl").read_bytes())
    compared = step("Compare with the baseline", github, tmp_path, **asked, baseline="base.jsonl")
    assert compared.returncode == 0, compared.stdout + compared.stderr  # nothing that was not wrong before
    (tmp_path / "baselines").mkdir()
    folder = step("Compare with the baseline", github, tmp_path, **asked, baseline="baselines")
    assert folder.returncode == 0, folder.stdout + folder.stderr  # which has none of this platform
    none = step("Compare with the baseline", github, tmp_path, **asked, baseline="none.jsonl")
    assert none.returncode == 0 and none.stdout.startswith("::notice::there is no baseline yet")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("install", "Install"),
        ("targets", "Verify"),
        ("suite", "Verify"),
        ("shard", "Verify"),
        ("waivers", "Verify"),
        ("folder", "Verify"),
        ("baseline", "Compare with the baseline"),
        ("folder", "Report"),
        ("artifact", "Prepare"),
        ("folder", "Prepare"),
    ],
)
def test_an_input_is_no_script(name: str, where: str, github: dict[str, str], tmp_path: Path) -> None:
    hostile = "$(touch stolen); touch stolen `touch stolen` --out stolen"
    done = step(where, github, tmp_path, **{"targets": "nobody", name: hostile})
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "stolen").exists()


# --- the page --------------------------------------------------------------------------------------------------


def page() -> str:
    """The page with every run of white space as one space."""
    return re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))


def test_the_table_of_inputs_names_those_of_the_action() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| input | |")[2].partition("\n\n")[0]
    told = [name for row in table.splitlines()[2:] for name in re.findall(r"`([\w-]+)`", row.split("|")[1])]
    assert sorted(told) == sorted(action()["inputs"])


def test_the_examples_use_inputs_of_the_action_alone() -> None:
    used = [
        (name, step)
        for name, held in parsed()
        for job in (held.get("jobs") or {}).values()
        for step in job["steps"]
        if "/.github/actions/verify@" in step.get("uses", "")
    ]
    assert len(used) == 2
    for name, step in used:
        assert set(step["with"]) <= set(action()["inputs"]), name


def test_a_shard_of_the_example_is_kept_under_a_name_that_the_merge_finds() -> None:
    (held,) = [held for _, held in parsed() if "merge" in (held.get("jobs") or {})]
    verify, merge = held["jobs"]["verify"], held["jobs"]["merge"]
    parts = verify["strategy"]["matrix"]["part"]
    assert verify["steps"][1]["with"]["shard"] == f"${{{{ matrix.part }}}}/{len(parts)}"
    (download,) = [step["with"] for step in merge["steps"] if "download-artifact" in step.get("uses", "")]
    assert download["pattern"] == f"gradassay-*-of-{len(parts)}"
    (script,) = [step["run"] for step in merge["steps"] if "gradassay merge" in step.get("run", "")]
    assert f"merge {download['path']}/*/run.jsonl" in script
    assert merge["needs"] == "verify" and "!cancelled()" in merge["if"]


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    from gradassay._run import DEADLINE, JOBS
    from gradassay._shard import COMPILED
    from gradassay.views.junit import FULL
    from gradassay.views.markdown import LARGEST, OPEN

    assert f"Of the first {FULL} failing tests everything is said" in page()
    assert f"a page of at most {LARGEST:,} characters" in page()
    assert OPEN == 3 and "(three are open, the others folded)" in page()
    assert COMPILED == 20 and "about twenty times as much a question" in page()
    assert f"({JOBS} if not given) on one machine" in page()
    assert f"`--deadline` ends a single request that hangs ({DEADLINE:.0f} s if not given)" in page()


def test_the_transcripts_of_shards_are_what_is_printed(github: dict[str, str], tmp_path: Path) -> None:
    for block in fences("console"):
        for line, told in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            done = subprocess.run(
                line,
                shell=True,
                cwd=tmp_path,
                env=github | {"COLUMNS": "80", "TERM": "dumb"},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            refused = done.returncode == 2
            printed = done.stderr if refused else done.stdout
            pattern = "".join(
                r"(?:.*\n)*?" if text == "..." else re.escape(text).replace(r"\.\.\.", ".*") + "\n"
                for text in told.splitlines()
            )
            assert re.fullmatch(pattern, printed), f"{line}\n{printed}"


def test_an_empty_cache_variable_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gradassay._cache import Cache

    monkeypatch.setenv("GRADASSAY_CACHE", "")
    assert Cache().directory is None
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))
    assert Cache().directory == tmp_path

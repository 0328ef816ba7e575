"""A distribution from outside, built and installed, is found just as those of this repository are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "plugin_example"
FOUND = """
from pathlib import Path
from gradassay._plugins import backends, specs
from gradassay._process import open_session
for plugin in (specs()["affine"], backends()["example"]):
    print(plugin, plugin.load().name)
with open_session("example", backends()["example"].load().environment()) as session:
    print(session.hello()["devices"])
import gradassay_example
print(Path(gradassay_example.__file__).parent)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the example to a folder of its own; return the environment that has it on the path."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--target", str(target), str(SOURCE)], check=True)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(target), *sys.path])}


def test_a_strangers_spec_and_backend_are_found(installed: dict[str, str]) -> None:
    ended = subprocess.run([sys.executable, "-c", FOUND], env=installed, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == [
        "spec `affine` of gradassay-example 0.1.0 (gradassay_example.affine:spec) affine",
        "backend `example` of gradassay-example 0.1.0 (gradassay_example.backend:example_backend) example",
        "['cpu']",
        str(Path(installed["PYTHONPATH"].split(os.pathsep)[0]) / "gradassay_example"),
    ]

"""A distribution from outside, built and installed, is found just as those of this repository are."""

from __future__ import annotations

import os
import re
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


@pytest.mark.parametrize("how", [[], ["--in-process"]], ids=["spawned", "in this process"])
def test_a_strangers_backend_is_verified(installed: dict[str, str], how: list[str]) -> None:
    """The harness knows no model and no framework: this spec and this backend are none of its own."""
    command = [sys.executable, "-m", "gradassay.cli", "verify", "example", "--suite", "smoke", *how]
    ended = subprocess.run(command, env=installed, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"All \d\d+ verdicts passed on 2 targets", " ".join(ended.stdout.split()))


def test_a_strangers_wrong_gradient_is_found(installed: dict[str, str], tmp_path: Path) -> None:
    """Without the factor of tanh', dx, dW and db are wrong; y and the shapes still right."""
    module = tmp_path / "wrong.py"
    module.write_text(
        "from gradassay_example.backend import Example, Model\n"
        "from gradassay._run import verify\n"
        "class Wrong(Model):\n"
        "    def vjp(self, inputs, cotangents, wrt):\n"
        "        y, g = cotangents['y'], super().vjp(inputs, cotangents, wrt)\n"
        "        dx = {'x': y @ self.weight, 'weight': y.T @ inputs['x'], 'bias': y.sum(axis=0)}\n"
        "        return g[0], dx\n"
        "class Backend(Example):\n"
        "    name = 'wrong'\n"
        "    def load(self, spec, config, parameters, target):\n"
        "        return Wrong(parameters)\n"
        "asked = ['contract', 'values', 'gradients', 'untouched']\n"
        "records = verify(objects=[Backend()], specs=['affine'], properties=asked, cache=False)\n"
        "verdicts = [r for r in records if hasattr(r, 'tensor') and not r.against]\n"
        "print(sorted({(v.property, v.tensor) for v in verdicts if v.outcome == 'failed'}))\n"
    )
    ended = subprocess.run([sys.executable, str(module)], env=installed, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[('gradients', 'bias'), ('gradients', 'weight'), ('gradients', 'x')]"

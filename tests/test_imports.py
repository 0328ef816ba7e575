"""The harness knows no model and no framework: what importing it imports, and what its sources import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

import gradassay

HARNESS = Path(gradassay.__file__).parent
HEAVY = ("torch", "tensorflow", "keras", "jax", "jaxlib", "numpy", "flint", "ml_dtypes", "safetensors", "rich")
FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "jaxlib", "flax")


def plugins() -> set[str]:
    """The top-level modules of everything that is installed as a spec or a backend."""
    found = {entry.value.partition(":")[0].partition(".")[0] for group in ("specs", "backends") for entry in
             entry_points(group=f"gradassay.{group}")}  # fmt: skip
    assert {"gradassay_lstm", "gradassay_mse", "gradassay_numpy"} <= found
    return found


def imported_by(program: str) -> set[str]:
    """Run a program in a process of its own; return the top-level modules that it left imported."""
    told = f"import sys\n{program}\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def assert_light(program: str, unwanted: set[str]) -> None:
    found = imported_by(program) & unwanted
    assert not found, f"{program!r} imported {', '.join(sorted(found))}"


def test_importing_gradassay_imports_no_framework_no_plugin_and_no_numpy() -> None:
    assert_light("import gradassay", {*HEAVY, *plugins()})


@pytest.mark.parametrize("module", ["numpy", "gradassay_lstm", *(["jax"] if find_spec("jax") else [])])
def test_the_proof_above_can_fail(module: str) -> None:
    with pytest.raises(AssertionError, match=f"imported .*{module}"):
        assert_light(f"import gradassay, {module}", {*HEAVY, *plugins()})


@pytest.mark.parametrize("module", ["cli", "_run", "_oracle", "_worker", "_simulated", "properties"])
def test_importing_any_part_imports_no_framework_and_no_plugin(module: str) -> None:
    assert_light(f"import gradassay.{module}", {*FRAMEWORKS, *plugins()})


def public() -> list[str]:
    """The names that type checkers see."""
    tree = ast.parse((HARNESS / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    names = [alias.asname for node in imports for alias in node.names if alias.asname]
    assert {"verify", "check", "Spec", "Backend", "Ops", "Words"} <= set(names)
    return names


def test_every_public_name_is_there_and_costs_no_framework() -> None:
    assert_light(f"import gradassay\nfor name in {public()}: getattr(gradassay, name)", {*FRAMEWORKS, *plugins()})


def test_planning_imports_backends_without_their_frameworks() -> None:
    program = """
from gradassay import _plugins
loaded, broken = _plugins.load_all(_plugins.backends().values())
assert loaded and not broken, broken
assert all(backend.offers for backend in loaded.values())
"""
    assert_light(program, set(FRAMEWORKS))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gradassay' has no attribute 'nothing'"):
        gradassay.nothing  # type: ignore[attr-defined]  # noqa: B018


# --- sources


def foreign(source: str, unwanted: set[str]) -> Iterator[str]:
    """Yield what a module imports of `unwanted`, also inside functions and under `TYPE_CHECKING`, or by name."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = [str(node.args[0].value)] if called in ("import_module", "__import__", "find_spec") else []
        yield from (name for name in names if name.partition(".")[0] in unwanted)


def test_no_source_of_the_harness_imports_a_model_or_a_framework() -> None:
    sources = sorted(HARNESS.rglob("*.py"))
    assert len(sources) > 30
    unwanted = {*FRAMEWORKS, *plugins()}
    adopting: dict[str, list[str]] = {}
    for path in sources:
        if found := list(foreign(path.read_text(), unwanted)):
            adopting[str(path.relative_to(HARNESS))] = found
    assert adopting == {}


@pytest.mark.parametrize(
    "source",
    [
        "import gradassay_lstm",
        "from gradassay_lstm._config import LSTM",
        "import numpy, torch.nn as nn",
        "def f():\n    import jax.numpy",
        "if TYPE_CHECKING:\n    from gradassay_torch import torch_backend",
        "import importlib\nimportlib.import_module('gradassay_mse')",
        "__import__('tensorflow')",
    ],
)
def test_the_scan_above_can_fail(source: str) -> None:
    assert len(list(foreign(source, {*FRAMEWORKS, *plugins()}))) == 1


@pytest.mark.parametrize("source", ["import numpy", "from gradassay._spec import Spec", "name = 'torch'", "f('torch')"])
def test_the_scan_above_can_pass(source: str) -> None:
    assert not list(foreign(source, {*FRAMEWORKS, *plugins()}))


def test_specs_import_no_backend_and_no_framework() -> None:
    """Arrows run from backends to specs to the harness only."""
    backends = {entry.value.partition(":")[0] for entry in entry_points(group="gradassay.backends")}
    sources = sorted((Path(__file__).parent.parent / "specs").rglob("*.py"))
    assert len({path.parts[-2] for path in sources}) > 10
    for path in sources:
        assert not list(foreign(path.read_text(), {*FRAMEWORKS, *backends})), path

"""`gradassay.testing.conformance`, run by pytest itself in a folder of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pytest_runs import outcomes, pytest_in

from gradassay import UsageError
from gradassay.testing import conformance

NUMPY = """
from gradassay.testing import conformance
test_conformance = conformance("numpy/float32")
"""

# Objects run in this process: a right one, one with a planted fault, and one that breaks off.
OBJECTS = """
from dataclasses import dataclass
from gradassay import Gap, Unsupported
from gradassay._simulated import Simulated, SimulatedModel
from gradassay.testing import conformance
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES

fault = next(fault for fault in spec.faults if fault.name == "dc0-without-forget-factor")

@dataclass(frozen=True)
class Raises(Simulated):
    name = "raises"

    def load(self, *arguments):
        raise RuntimeError("no such kernel")

@dataclass(frozen=True)
class Declines(Simulated):
    name = "declines"

    def load(self, *arguments):
        raise Unsupported("not on a Sunday")

def smoke(backend):
    return conformance(backend, suite="smoke", properties=["contract", "gradients"])

test_right = smoke(Simulated(spec, features=FEATURES))
test_plain = conformance(Simulated(spec), properties=["gradients"])
test_faulty = smoke(Simulated(spec, fault=fault, features=FEATURES))
test_raises = conformance(Raises(spec, features=FEATURES), properties=["values"])
test_declines = conformance(Declines(spec, features=FEATURES), properties=["values"])
"""


def test_two_lines_make_a_test_of_each_property_of_each_case(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, NUMPY, "-v")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = outcomes(ended)
    assert "test_mine.py::test_conformance[numpy/eager/cpu/float32-lstm/smoke/plain-gradients]" in found
    assert {"PASSED"} <= set(found.values()) <= {"PASSED", "SKIPPED"}
    assert len(found) > 30


def test_a_test_is_chosen_by_its_words(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, NUMPY, "-v", "-k", "lstm/smoke/plain-gradients")
    assert list(outcomes(ended)) == [
        "test_mine.py::test_conformance[numpy/eager/cpu/float32-lstm/smoke/plain-gradients]"
    ]


def test_all_tests_of_a_session_share_one_process(tmp_path: Path) -> None:
    source = """
from gradassay import _bench, testing
opened = []
original = _bench.open_session
_bench.open_session = lambda name, *rest: (opened.append(name), original(name, *rest))[1]
test_a = testing.conformance("numpy/float32", properties=["values"])
test_b = testing.conformance("numpy/float64", properties=["values", "gradients"])
def test_last():
    assert opened == ["numpy"]
"""
    ended = pytest_in(tmp_path, source, "-q")
    assert ended.returncode == 0, ended.stdout


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return pytest_in(tmp_path_factory.mktemp("objects"), OBJECTS, "-v", "-rs")


def by_test(ended: subprocess.CompletedProcess[str], name: str) -> dict[str, str]:
    return {test: outcome for test, outcome in outcomes(ended).items() if test.startswith(f"test_mine.py::{name}[")}


def test_a_right_object_passes(objects: subprocess.CompletedProcess[str]) -> None:
    assert set(by_test(objects, "test_right").values()) == {"PASSED"}


def test_a_fault_fails_where_it_shows_and_is_explained(objects: subprocess.CompletedProcess[str]) -> None:
    found = by_test(objects, "test_faulty")
    target = "faulty-dc0-without-forget-factor/rounded/cpu/float32"
    assert found[f"test_mine.py::test_faulty[{target}-lstm/smoke/plain-gradients]"] == "FAILED"
    assert found[f"test_mine.py::test_faulty[{target}-lstm/smoke/plain-contract]"] == "PASSED"
    said = objects.stdout
    assert "faulty-dc0-without-forget-factor: dL/dc0 is not multiplied by the first forget gate" in said
    # Which of the cases are diagnosed depends on how busy the machine is: a session has 20 seconds for it.
    assert re.search(rf"^ +shows in    gradients of c0, in smoke/[\w-]+ on\n +{target}$", said, re.M)
    assert re.search(r"^  should be   -?[\d.e-]+ ± [\d.e-]+ \(one noise unit\)$", said, re.M)
    assert re.search(r"^  where       layer 0, direction forward, row \d, unit \d", said, re.M)
    assert re.search(r"^  still right x, h0, weight_ih_l0", said, re.M)
    assert "Traceback" not in said


def test_what_is_not_offered_is_skipped_with_its_reason(objects: subprocess.CompletedProcess[str]) -> None:
    assert set(by_test(objects, "test_plain").values()) == {"PASSED", "SKIPPED"}
    assert re.search(r"^SKIPPED \[\d+\] .*: does not offer bidirectional", objects.stdout, re.M)
    assert set(by_test(objects, "test_declines").values()) == {"SKIPPED"}
    assert re.search(r"^SKIPPED \[\d+\] .*: not on a Sunday$", objects.stdout, re.M)


def test_an_exception_of_the_backend_fails(objects: subprocess.CompletedProcess[str]) -> None:
    assert set(by_test(objects, "test_raises").values()) == {"FAILED"}
    assert "raises/rounded/cpu/float64: values errored in smoke/plain (lstm)" in objects.stdout
    assert "reason      exception: RuntimeError: no such kernel" in objects.stdout


def test_a_blind_verdict_is_skipped_as_such(tmp_path: Path) -> None:
    source = """
from gradassay import _bench, testing
from gradassay._record import Verdict
def blind(self, item):
    names = {"target": "t", "spec": "s", "suite": "u", "case": "c", "property": "p"}
    return [Verdict(**names, tensor="y", outcome="blind", reason="too loud")]
_bench.Bench.ask = blind
test_blind = testing.conformance("numpy/float32", properties=["values"])
"""
    ended = pytest_in(tmp_path, source, "-rs")
    assert ended.returncode == 0
    assert re.search(r"^SKIPPED \[\d+\] .*: blind: too loud$", ended.stdout, re.M)


def test_a_property_that_finds_nothing_fails(tmp_path: Path) -> None:
    source = """
from gradassay import _bench, testing
_bench.Bench.ask = lambda self, item: []
test_empty = testing.conformance("numpy/float32", properties=["values"])
"""
    ended = pytest_in(tmp_path, source)
    assert ended.returncode == 1 and "no verdict was reached" in ended.stdout


def test_collecting_imports_no_framework(tmp_path: Path) -> None:
    source = """
import sys
from gradassay.testing import conformance
for name in ("torch", "jax", "tensorflow"):
    globals()[f"test_{name}"] = conformance(name)
assert not {"torch", "jax", "tensorflow", "keras"} & set(sys.modules)
"""
    ended = pytest_in(tmp_path, source, "--collect-only", "-q")
    assert ended.returncode == 0, ended.stdout
    assert "test_mine.py::test_torch[torch/" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "nump/float32"}, "there is no backend `nump`"),
        ({"target": "numpy/float31"}, "'float31' is no mode, device or dtype of numpy"),
        ({"target": "numpy", "suite": "smoky"}, "there is no suite `smoky`"),
        ({"target": "numpy", "properties": ["gradient"]}, "there is no property `gradient`"),
    ],
)
def test_a_name_that_does_not_exist_is_told_at_once(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        conformance(**arguments)  # type: ignore[arg-type]  # by name, as a user types them

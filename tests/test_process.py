"""Workers: what a backend returns comes back whole, and what it does to its process is told and survived."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import TARGET
from gradassay._process import BackendError, EnvironmentWarning, Session, open_session

WHERE = pytest.mark.parametrize("in_process", [False, True], ids=["spawned", "in process"])
X = np.array([1.0, -0.0, 3.0])


def running(process: int) -> bool:
    """Say whether a process runs; one that has ended and waits for its parent does not."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


def wait_until_gone(process: int) -> None:
    for _ in range(100):
        if not running(process):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process} still runs")


@pytest.fixture
def start() -> Iterator[Any]:
    """Return a function that opens a session with a fake and loads its model."""
    opened: list[Session] = []

    def start(name: str, *, in_process: bool = False, deadline_s: float = 60.0, **environment: str) -> Session:
        session = open_session(f"fakes:{name}", environment, deadline_s, in_process)
        opened.append(session)
        return session

    yield start
    for session in opened:
        session.close()


def load(session: Session) -> int:
    return session.load("fakes:spec", {"size": 3}, {"w": np.ones(2)}, TARGET)


def fails(session: Session, kind: str, message: str, operator: str = "forward", x: Any = X) -> BackendError:
    with pytest.raises(BackendError, match=re.escape(message)) as caught:
        session.call(load(session), operator, inputs={"x": x}, wrt=["x"], of="y", by="x")
    assert caught.value.kind == kind
    return caught.value


@WHERE
def test_every_operator_returns_its_answer(start: Any, in_process: bool) -> None:
    session = start("good", in_process=in_process)
    model = load(session)
    v, u = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.0, 1.0])
    forward = session.call(model, "forward", inputs={"x": X})
    np.testing.assert_array_equal(forward.outputs["y"], 2 * X)
    assert (forward.ran, forward.touched, forward.gradients, forward.jacobian) == ({"kernel": "fake"}, (), {}, None)
    assert 0 < forward.seconds < 5
    vjp = session.call(model, "vjp", inputs={"x": X}, cotangents={"y": v}, wrt=["x", "w"])
    np.testing.assert_array_equal(vjp.gradients["x"], 2 * v)
    assert vjp.gradients["w"] is None and set(vjp.outputs) == {"y", "calls"}
    jvp = session.call(model, "jvp", inputs={"x": X}, tangents={"x": u})
    np.testing.assert_array_equal(jvp.tangents["y"], 2 * u)
    jacobian = session.call(model, "jacobian", inputs={"x": X}, of="y", by="x").jacobian
    np.testing.assert_array_equal(jacobian, 2 * np.eye(3))
    hvp = session.call(model, "hvp", inputs={"x": X}, cotangents={"y": v}, tangents={"x": u}, wrt=["x"])
    np.testing.assert_array_equal(hvp.gradients["x"], np.zeros(3))


@WHERE
def test_hello_says_what_is_there_under_the_environment(start: Any, in_process: bool) -> None:
    with warnings.catch_warnings(), start("good", in_process=in_process, GRADASSAY_FAKE="yes") as session:
        warnings.simplefilter("ignore", EnvironmentWarning)
        hello = session.hello()
    assert hello["devices"] == ["cpu"] and hello["versions"] == {"fake": "1.0", "GRADASSAY_FAKE": "yes"}
    assert (hello["pid"] == os.getpid()) is in_process
    assert "GRADASSAY_FAKE" not in os.environ  # put back as it was


def test_a_late_environment_is_warned_of_in_process(start: Any) -> None:
    session = start("good", in_process=True, GRADASSAY_FAKE="yes")
    message = "fakes:good wants GRADASSAY_FAKE=yes, but fakes is already imported here"
    with pytest.warns(EnvironmentWarning, match=message):
        session.hello()


def test_models_are_apart_and_unloaded(start: Any) -> None:
    session = start("good")
    first, second = load(session), load(session)
    calls = [session.call(model, "forward", inputs={"x": X}).outputs["calls"] for model in (first, first, second)]
    assert [int(count) for count in calls] == [1, 2, 1]
    session.unload(first)
    with pytest.raises(KeyError):
        session.call(first, "forward", inputs={"x": X})
    assert session.call(second, "forward", inputs={"x": X}).outputs["calls"] == 2


def test_what_a_backend_prints_corrupts_no_frame(start: Any) -> None:
    session = start("printer")
    np.testing.assert_array_equal(session.call(load(session), "forward", inputs={"x": X}).outputs["y"], 2 * X)


@WHERE
def test_a_refusal_is_unsupported_with_its_reason(start: Any, in_process: bool) -> None:
    fails(start("refuser", in_process=in_process), "unsupported", "no forward pass on Sundays")


@WHERE
def test_an_exception_is_told_with_its_traceback(start: Any, in_process: bool) -> None:
    session = start("raiser", in_process=in_process)
    error = fails(session, "exception", "ValueError: shapes (3,) and (4,) do not match")
    assert "in _raise" in error.traceback and "fakes.py" in error.traceback
    assert session.hello()["devices"] == ["cpu"]


def test_in_process_the_exception_itself_is_the_cause(start: Any) -> None:
    error = fails(start("raiser", in_process=True), "exception", "ValueError")
    assert isinstance(error.__cause__, ValueError)


@WHERE
@pytest.mark.parametrize(
    ("name", "operator", "message"),
    [
        ("no_mapping", "forward", "forward's outputs should be a mapping of names to arrays, but are a numpy.ndarray"),
        ("no_array", "forward", "forward's outputs have 'y' as a list; it should be a numpy.ndarray"),
        ("none_output", "forward", "forward's outputs have 'y' as None; it should be a numpy.ndarray"),
        ("scalar_output", "forward", "forward's outputs have 'y' as a numpy.float64; it should be a numpy.ndarray"),
        ("no_text_name", "forward", "forward's outputs have a name that is a int; it should be text"),
        ("complex_output", "forward", "tensor 'outputs/y' has dtype complex128; it should be one of"),
        ("no_evidence", "forward", "ran is {'graphs': 1}; it should be a mapping of text to text"),
        ("half_jvp", "jvp", "jvp returned a dict; it should return a tuple of two mappings"),
        ("none_jacobian", "jacobian", "jacobian's answer have 'jacobian' as None; it should be a numpy.ndarray"),
    ],
)
def test_a_malformed_answer_is_told(start: Any, in_process: bool, name: str, operator: str, message: str) -> None:
    fails(start(name, in_process=in_process), "malformed", message, operator)


def test_a_crash_costs_one_answer(start: Any) -> None:
    session = start("crasher")
    model, pid = load(session), session.hello()["pid"]
    with pytest.raises(BackendError, match="the process of fakes:crasher was killed by SIGSEGV") as caught:
        session.call(model, "forward", inputs={"x": -np.ones(3)})
    assert caught.value.kind == "crash" and "Segmentation fault" in caught.value.traceback
    np.testing.assert_array_equal(session.call(model, "forward", inputs={"x": abs(X)}).outputs["y"], 2 * abs(X))
    assert session.hello()["pid"] != pid


def test_after_a_crash_a_model_may_be_unloaded(start: Any) -> None:
    session = start("crasher")
    kept, dropped = load(session), load(session)
    with pytest.raises(BackendError):
        session.call(kept, "forward", inputs={"x": -np.ones(3)})
    session.unload(dropped)
    assert session.call(kept, "forward", inputs={"x": np.ones(3)}).outputs["calls"] == 1


def test_an_exit_is_a_crash_with_its_status_and_last_words(start: Any) -> None:
    error = fails(start("leaver"), "crash", "the process of fakes:leaver ended with exit status 3")
    assert "last words" in error.traceback


def test_a_crash_while_loading_is_told(start: Any) -> None:
    session = start("crashes_on_load")
    with pytest.raises(BackendError, match="was killed by SIGSEGV"):
        load(session)
    assert session.hello()["devices"] == ["cpu"]


def test_a_deadline_ends_one_request_and_not_the_session(start: Any) -> None:
    session = start("slow", deadline_s=3.0)
    model, pid = load(session), session.hello()["pid"]
    started = time.perf_counter()
    with pytest.raises(BackendError, match="fakes:slow gave no answer in 3 s and was killed") as caught:
        session.call(model, "forward", inputs={"x": np.array([600.0])})
    assert caught.value.kind == "timeout" and time.perf_counter() - started < 10
    wait_until_gone(pid)
    assert session.call(model, "forward", inputs={"x": np.array([0.0])}).outputs["y"] == 0


def test_what_a_hanging_backend_started_ends_with_it(start: Any) -> None:
    error = fails(start("hanger", deadline_s=3.0), "timeout", "gave no answer in 3 s")
    found = re.search(r"child (\d+)", error.traceback)
    assert found is not None
    wait_until_gone(int(found[1]))


def test_bytes_that_are_no_frame_are_malformed(start: Any) -> None:
    fails(start("noisy_on_the_wire", deadline_s=60.0), "malformed", "sent what is no frame: a frame of")


def test_a_request_larger_than_a_pipe_meets_the_deadline_too(start: Any) -> None:
    session = start("slow", deadline_s=3.0)
    model, process = load(session), session.hello()["pid"]
    os.kill(process, signal.SIGSTOP)  # reads nothing any more
    with pytest.raises(BackendError, match="gave no answer in 3 s"):
        session.call(model, "forward", inputs={"x": np.zeros(1_000_000)})
    wait_until_gone(process)


@WHERE
def test_every_byte_that_a_call_changes_is_told(start: Any, in_process: bool) -> None:
    x, v = np.ones(3), np.ones(3)
    session = start("scribbler", in_process=in_process)
    model = load(session)
    answer = session.call(model, "vjp", inputs={"x": x}, cotangents={"y": v}, wrt=["x"])
    assert answer.touched == ("x", "cotangent of y", "w")
    assert (x == 1).all() and (v == 1).all()  # the caller's own are safe


@WHERE
@pytest.mark.parametrize(("name", "touched"), [("zero_signer", ("x",)), ("drifter", ("w",)), ("good", ())])
def test_touching_is_judged_by_bytes_and_by_held_parameters(
    start: Any, in_process: bool, name: str, touched: tuple[str, ...]
) -> None:
    session = start(name, in_process=in_process)
    assert session.call(load(session), "forward", inputs={"x": X}).touched == touched


@WHERE
@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("no_such_backend", "there is no backend `no_such_backend`"),
        ("fakes:no_such", "fakes has no no_such: it has "),
        ("no_such_module:x", "there is no module no_such_module in "),
    ],
)
def test_a_backend_that_is_not_there_is_told_each_time(in_process: bool, backend: str, message: str) -> None:
    with open_session(backend, {}, in_process=in_process) as session:
        for _ in range(2):
            with pytest.raises(BackendError, match=re.escape(message)) as caught:
                session.hello()
            assert caught.value.kind == "exception"


def test_a_configuration_is_checked_where_it_arrives(start: Any) -> None:
    session = start("good")
    with pytest.raises(BackendError, match=r"ValidationError: Expected `int`, got `str` - at `\$\.size`"):
        session.load("fakes:spec", {"size": "3"}, {}, TARGET)
    with pytest.raises(BackendError, match="RuntimeError: there is no operator 'grad'"):
        session.call(load(session), "grad", inputs={"x": X})


def test_an_interrupt_leaves_no_answer_behind(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = start("good")
    model, pid = load(session), session.hello()["pid"]
    real = sys.modules["gradassay._process"].read_frame

    def interrupt(stream: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradassay._process.read_frame", interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.call(model, "forward", inputs={"x": X})
    wait_until_gone(pid)
    monkeypatch.setattr("gradassay._process.read_frame", real)
    np.testing.assert_array_equal(session.call(model, "forward", inputs={"x": 3 * X}).outputs["y"], 6 * X)


def test_closing_ends_the_process(start: Any) -> None:
    session = start("good")
    pid = session.hello()["pid"]
    session.close()
    assert not running(pid)
    session.close()  # twice is once


ORPHAN = """
import os, sys
from gradassay._process import open_session
session = open_session("fakes:good", {})
print(session.hello()["pid"], flush=True)
os._exit(0)
"""


def test_a_worker_does_not_outlive_its_parent() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", ORPHAN], env=environment, capture_output=True, text=True, check=True)
    wait_until_gone(int(ended.stdout))


def test_the_working_directory_is_not_on_the_workers_path(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('taken for numpy')")
    monkeypatch.chdir(tmp_path)
    assert start("good").hello()["devices"] == ["cpu"]

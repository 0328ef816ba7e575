"""The bundled backend `jax`: evidence of what ran and where, gaps, refusals, and right answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from evidence import Opening, alone, ask, assert_open, fell_back, openings, why

from gradassay._backend import Unsupported
from gradassay._process import open_session
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._session import BackendError
from gradassay._target import Target
from gradassay_lstm import LSTM

jax = pytest.importorskip("jax")

from gradassay_jax import _load, jax_backend  # noqa: E402  # after the skip

WEIGHTS = {
    "weight_ih_l0": np.ones((4, 1)),
    "weight_hh_l0": np.ones((4, 1)),
    "bias_ih_l0": np.ones(4),
    "bias_hh_l0": np.ones(4),
}


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    """What the backend's own environment gives to its process; and no executable from one test to the next."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    _load._program.cache_clear()
    yield
    jax.config.update("jax_enable_x64", before)
    _load._program.cache_clear()


# --- what really ran


class NotCompiled:
    """Looks like an executable made ahead of time, and is the plain function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    jaxpr = ""

    def trace(self, *arguments: Any) -> NotCompiled:
        return self

    def lower(self, *arguments: Any) -> NotCompiled:
        return self

    def compile(self) -> NotCompiled:
        return self

    def as_text(self) -> str:
        return "  ROOT %fusion = f64[2]{0} fusion()\n"

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def test_a_jit_that_compiles_nothing_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(jax_backend, "jit", "float64")
    monkeypatch.setattr(jax, "jit", NotCompiled)
    assert why(ask(one, "plain", "values", "gradients")) == fell_back("jit", "executed=compiled", executed="in Python")


def test_an_empty_executable_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradassay_jax._execution._instructions", lambda hlo: 0)
    reason = why(ask(alone(jax_backend, "jit", "float64"), "plain", "values"))
    assert reason == fell_back("jit", "executed=compiled", executed="in Python")


def test_jit_that_is_disabled_is_no_verdict() -> None:
    with jax.disable_jit():
        reason = why(ask(alone(jax_backend, "jit", "float64"), "plain", "values"))
    assert "Disable jit is not supported in the AOT path" in reason


def test_eager_with_compiled_scans_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(jax_backend, "eager", "float64")
    monkeypatch.setattr(jax, "disable_jit", nullcontext)
    assert why(ask(one, "plain", "values", "gradients")) == fell_back(
        "eager", "executed=eager", executed="not op by op"
    )


def test_compiled_runs_run_no_python_and_eager_ones_every_step() -> None:
    compiled = ask(alone(jax_backend, "jit", "float64"), "plain", "gradients")[0].ran
    assert (compiled["executed"], compiled["python_bodies"], compiled["python_steps"]) == ("compiled", "0", "0")
    assert int(compiled["hlo_instructions"]) > 10
    eager = ask(alone(jax_backend, "eager", "float64"), "plain", "values")[0].ran
    assert (eager["executed"], eager["python_bodies"], eager["python_steps"]) == ("eager", "1", "3")


def test_a_checkpoint_that_keeps_everything_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "checkpoint", lambda step: step)
    reason = why(ask(alone(jax_backend, "checkpoint", "float64"), "plain", "values", "gradients"))
    assert reason == fell_back("checkpoint", "checkpointed=yes", checkpointed="no")


def test_an_unrolled_loop_that_is_a_loop_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradassay_jax._loops.BY_MODE", {})
    reason = why(ask(alone(jax_backend, "unrolled", "float64"), "plain", "values"))
    assert reason == fell_back("unrolled", "loops=0", loops="1")


@pytest.mark.parametrize("mode", ["checkpoint", "unrolled"])
@pytest.mark.parametrize("case", ["plain", "ragged"])
def test_variants_are_right(mode: str, case: str) -> None:
    found = ask(alone(jax_backend, mode, "float64"), case, "values", "gradients", "jacobian", "hvp")
    assert {verdict.outcome for verdict in found} == {"passed"}


def test_float64_that_becomes_float32_is_no_verdict() -> None:
    jax.config.update("jax_enable_x64", False)
    with pytest.warns(UserWarning, match="Explicitly requested dtype float64|float64.*not available"):
        np.asarray(jax.numpy.zeros(1, "float64"))  # JAX's own answer is a warning
    reason = why(ask(alone(jax_backend, "jit", "float64"), "plain", "values"))
    assert "is float64, but JAX made it float32: set JAX_ENABLE_X64=1" in reason


# --- where it ran


def test_both_devices_are_right_and_named() -> None:
    """In a process of its own: a second CPU device is an environment variable before the import."""
    records = verify(
        ["jax/jit/float64", "jax/jit/cpu:1/float64"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["plain", "ragged"],
        properties=["gradients", "agreement"],
        cache=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    assert {v.outcome for v in verdicts} == {"passed"}
    gradients = [v for v in verdicts if v.property == "gradients"]
    assert {(v.target, v.case, v.ran["device"]) for v in gradients} == {
        (f"jax/jit/{device}/float64", case, device) for device in ("cpu", "cpu:1") for case in ("plain", "ragged")
    }
    assert {v.case for v in verdicts if v.property == "agreement"} == {"plain", "ragged"}


def test_answers_from_another_device_are_no_verdict() -> None:
    config = {"input_size": 1, "hidden_size": 1}
    with open_session("evidence:stray_jax", jax_backend.environment()) as session:
        found = []
        for device in ("cpu", "cpu:1"):
            model = session.load("lstm", config, WEIGHTS, Target("jax", "jit", device, "float64"))
            try:
                found.append(session.call(model, "forward", inputs={"x": np.ones((1, 1, 1))}).ran["device"])
            except BackendError as error:
                found.append(error.message)
    assert found[0] == "cpu"
    assert "answers are on cpu, but cpu:1 was asked for" in found[1]


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(Unsupported, match="jax has no device cuda:7 in this process; it has cpu"):
        jax_backend.load("lstm", LSTM(1, 1), WEIGHTS, Target("jax", "jit", "cuda:7", "float64"))


# --- gaps

INSTEAD = {
    "jax refuses a scan over no steps under disable_jit ('the output type is unknown')": (
        "zero-length scan is not supported in disable_jit"
    ),
    "XLA removes steps that compute nothing: none is left to compute again": (
        "the evidence should be checkpointed=yes, but is checkpointed=no"
    ),
}


@pytest.mark.parametrize("opening", [pytest.param(o, id=o.id) for o in openings(jax_backend)])
def test_every_gap_is_one(opening: Opening) -> None:
    assert_open(opening, INSTEAD)


def test_every_gap_is_asked_for() -> None:
    assert {opening.gap.reason for opening in openings(jax_backend)} == set(INSTEAD)


# --- functions


def identity(parameters: Any, inputs: Any) -> Any:
    return inputs


@pytest.mark.parametrize(
    ("dtypes", "message"),
    [
        (("float32", "float64"), r"identity as a function .*: parameters are float32, float64; they should all be"),
        (("int32", "int32"), "parameters are int32; they should all be of one real floating dtype"),
        (("complex64", "complex64"), "parameters are complex64; they should all be of one real floating dtype"),
    ],
)
def test_parameters_of_other_dtypes_are_refused(dtypes: tuple[str, str], message: str) -> None:
    parameters = {name: np.ones(2, dtype) for name, dtype in zip("ab", dtypes, strict=True)}
    with pytest.raises(Unsupported, match=message):
        jax_backend.adopt(identity, LSTM(1, 1), parameters)


def test_float64_without_x64_is_refused() -> None:
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(Unsupported, match="parameters in float64, which this jax would make float32"):
        jax_backend.adopt(identity, LSTM(1, 1), {"a": np.ones(2)})


def test_what_is_no_function_or_has_no_parameters_is_not_ours() -> None:
    assert jax_backend.adopt(object(), LSTM(1, 1), {"a": np.ones(2)}) is None
    assert jax_backend.adopt(identity) is None

"""Memory, random, storage, process, repeat, device: what a call does beside its answer, and what it depends on."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from wrongly import ask, broken, failures

from gradassay._backend import Mode, Offer
from gradassay._case import build
from gradassay._process import open_session
from gradassay._record import Verdict
from gradassay._sideways import lay, random_state
from gradassay._simulated import OPERATORS, Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._subject import Subject
from gradassay._target import DTYPES, Target, numpy_dtype
from gradassay.properties import properties
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_numpy import numpy_backend
from gradassay_torch import torch_backend

ASKED = (
    *("losses", "wrt", "linearity", "symmetry", "one_hot", "storage", "repeat", "memory", "random", "contract"),
    *("values", "gradients", "jvp", "hvp", "adjoint", "jacobian", "untouched"),
)
PROCESS = CaseTemplate("made", LSTM(2, 3), Call(2, 3), "unit", seed=7, ask={"process": True})
oracle = in_memory()


def seen_by(does: Mapping[str, Callable[..., Any]], case: str = "plain") -> set[str]:
    """Return the properties that fail."""
    verdicts = ask(oracle.cache, ASKED, does, "float32", case)
    assert {verdict.outcome for verdict in verdicts} <= {"passed", "failed", "blind"}
    return {verdict.property for verdict in verdicts if verdict.outcome == "failed"}


def reasons(property_: str, does: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    return failures(ask(oracle.cache, [property_], does))


# --- memory


def test_memory_when_two_gradients_are_one_array() -> None:
    """Equal they are, but whoever clips one in place clips the other too."""

    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        return outputs, gradients | {n: gradients["bias_ih_l0"] for n in gradients if n == "bias_hh_l0"}

    assert seen_by({"vjp": vjp}) == {"memory"}
    assert reasons("memory", {"vjp": vjp}) == {
        "gradient of bias_ih_l0 and gradient of bias_hh_l0": "share memory after vjp; each should have its own"
    }


def test_memory_when_a_gradient_is_the_cotangent_itself() -> None:
    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        outputs, gradients = model.vjp(inputs, cotangents, wrt)
        cotangents["c_n"][...] = gradients["c0"]
        return outputs, gradients | {"c0": cotangents["c_n"]}

    assert "gradient of c0 and cotangent c_n" in reasons("memory", {"vjp": vjp})


@pytest.mark.parametrize("what", ["outputs", "gradients"])
def test_memory_when_a_buffer_is_used_again(what: str) -> None:
    buffers: dict[Any, Any] = {}

    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = (dict(part) for part in model.vjp(*args))
        part, name = (outputs, "y") if what == "outputs" else (gradients, "x")
        if name in part:
            buffer = buffers.setdefault((name, part[name].shape), np.empty_like(part[name]))
            buffer[...] = part[name]
            part[name] = buffer
        return outputs, gradients

    assert seen_by({"vjp": vjp}) == {"memory"}
    (name,) = found = reasons("memory", {"vjp": vjp})
    assert name == {"outputs": "output y", "gradients": "gradient of x"}[what]
    assert "of the call before was changed by vjp (call 2); what was returned should stay" in found[name]


def test_memory_lets_outputs_share() -> None:
    """The last step of y may be a view of h_n: nobody adds into either."""

    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        return outputs | {"h_n": outputs["y"][None, :, -1]}, gradients

    assert seen_by({"vjp": vjp}) == set()


# --- random


@pytest.mark.parametrize(("generator", "draw"), [("numpy", np.random.random), ("python", random.random)])
def test_random_when_a_call_draws(generator: str, draw: Callable[[], float]) -> None:
    def forward(model: Any, *args: Any) -> Any:
        draw()
        return model.forward(*args)

    assert seen_by({"forward": forward}) == {"random"}
    assert reasons("random", {"forward": forward}) == {
        generator: f"{generator}'s random state was changed by forward; it should stay as it is"
    }


def test_random_sees_torch_draw() -> None:
    import torch

    def forward(model: Any, *args: Any) -> Any:
        torch.rand(1)
        return model.forward(*args)

    class Drawing(Simulated):
        def random_state(self) -> Mapping[str, bytes]:
            return torch_backend.random_state()

    backend = Drawing(spec, broken({"forward": forward}).fault, features=FEATURES)
    assert set(failures(ask(oracle.cache, ["random"], {}, backend=backend))) == {"torch"}


def test_a_state_is_the_same_until_somebody_draws() -> None:
    before = random_state(torch_backend)
    assert set(before) == {"python", "numpy", "torch"} and random_state(torch_backend) == before
    np.random.random()
    after = random_state(torch_backend)
    assert [name for name in before if before[name] != after[name]] == ["numpy"]


def test_the_states_of_tensorflow_and_keras() -> None:
    tf = pytest.importorskip("tensorflow")
    import keras

    from gradassay_tensorflow import tensorflow_backend

    def changed(draw: Callable[[], object]) -> list[str]:
        before = tensorflow_backend.random_state()
        draw()
        after = tensorflow_backend.random_state()
        return [name for name in before if before[name] != after[name]]

    tf.random.set_seed(1)
    assert changed(lambda: None) == []
    assert changed(lambda: tf.random.normal([1])) == ["tensorflow"]
    assert changed(lambda: keras.random.normal((1,))) == ["keras"]
    generator = tf.random.get_global_generator()
    assert changed(lambda: generator.normal([1])) == ["tensorflow generator"]


# --- storage


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [*DTYPES, "int64"])
@pytest.mark.parametrize("handed", ["plain", "read-only", "strided", "transposed"])
def test_an_array_is_the_same_however_it_is_laid(handed: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = (
        np.arange(np.prod(shape), dtype=float).reshape(shape).astype(numpy_dtype(dtype) if dtype in DTYPES else dtype)
    )
    laid = lay(array, handed)
    assert laid.dtype == array.dtype and laid.shape == shape and np.array_equal(laid, array)
    assert laid.flags.writeable == (handed != "read-only")
    if handed == "strided" and array.size > 1:
        assert not laid.flags.c_contiguous
    if handed == "transposed" and array.ndim > 1 and array.size:
        assert laid.flags.f_contiguous and not laid.flags.c_contiguous


def test_a_number_of_numpys_own_can_be_made_read_only() -> None:
    laid = lay(np.float64(2.5), "read-only")  # type: ignore[arg-type]  # a scalar, as a loss' cotangent may be
    assert laid == 2.5 and laid.shape == () and not laid.flags.writeable


def dense(array: Any) -> Any:
    """What a kernel reads that ignores strides: the first elements that lie where the array begins."""
    base = array if array.base is None else array.base
    return np.ravel(base, order="K")[: array.size].reshape(array.shape)


def test_storage_when_strides_are_ignored() -> None:
    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        return model.vjp(inputs | {"h0": dense(inputs["h0"])}, cotangents, wrt)

    assert seen_by({"vjp": vjp}) == {"storage"}
    verdicts = [v for v in ask(oracle.cache, ["storage"], {"vjp": vjp}) if v.outcome == "failed"]
    assert {"y", "x", "weight_hh_l0"} <= {verdict.tensor for verdict in verdicts}
    assert {"elements are not finite" in verdict.reason for verdict in verdicts} == {True}
    worst = verdicts[0].worst
    assert worst is not None and worst.where["arrays are"] == "strided"


def test_storage_when_the_order_of_axes_is_taken_for_granted() -> None:
    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        return model.vjp(inputs, {n: v.ravel("K").reshape(v.shape) for n, v in cotangents.items()}, wrt)

    assert seen_by({"vjp": vjp}) == {"storage"}
    verdicts = [v for v in ask(oracle.cache, ["storage"], {"vjp": vjp}) if v.outcome == "failed"]
    assert {v.worst.where["arrays are"] for v in verdicts if v.worst} == {"transposed"}


def test_storage_when_what_is_read_only_is_written_to() -> None:
    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        inputs["x"][...] = inputs["x"].copy()  # the same bytes: only a lock tells
        return model.vjp(inputs, cotangents, wrt)

    assert seen_by({"vjp": vjp}) == {"storage"}
    assert reasons("storage", {"vjp": vjp}) == {
        "read-only": "raised ValueError: assignment destination is read-only; the same arrays, handed over plainly, "
        "have an answer"
    }


# --- process


def living(lives: list[object]) -> Simulated:
    """A model that is right only in the first process: each loads it once."""

    def vjp(model: Any, *args: Any) -> Any:
        if not any(model is other for other in lives):
            lives.append(model)
        outputs, gradients = model.vjp(*args)
        factor = np.float64(1.0 if model is lives[0] else 1.01)
        return outputs, gradients | {"x": gradients["x"] * factor}

    return broken({"vjp": vjp})


def test_process_when_a_fresh_one_answers_otherwise() -> None:
    found = verify_case(living([]), spec, PROCESS, "float64", properties=["process", "repeat"], oracle=oracle)
    assert {(v.property, v.tensor) for v in found if v.outcome == "failed"} == {("process", "x")}
    assert {v.tensor for v in found if v.property == "process"} >= {"y", "h_n", "c_n", "x", "h0", "weight_ih_l0"}


def test_process_is_asked_only_where_it_is_told() -> None:
    template = CaseTemplate("made", LSTM(2, 3), Call(2, 3), "unit", seed=7)
    assert not verify_case(numpy_backend, spec, template, "float64", properties=["process"], oracle=oracle)


def test_process_starts_another_one() -> None:
    target = Target("numpy", "eager", "cpu", "float64")
    case = build(spec, "made", PROCESS, "float64")
    offer = numpy_backend.offers[0]
    with open_session("numpy", numpy_backend.environment(), 60.0) as session:
        subject = Subject(session, case, target, frozenset(OPERATORS), offer.modes[0])
        pids = {session.hello()["pid"], subject.anew()._shared.session.hello()["pid"]}
        findings = list(properties()["process"].check(subject, case, oracle))
        subject.close()
    assert len(pids) == 2
    assert [finding.tensor for finding in findings] == [*case.outputs, *case.differentiable]
    for finding in findings:
        assert not finding.fault and finding.got is not None and finding.reference is not None
        assert np.array_equal(finding.got, finding.reference.high)


# --- repeat


def test_repeat_when_the_second_derivative_changes_from_the_third_call_on() -> None:
    calls = []

    def hvp(model: Any, *args: Any) -> Any:
        calls.append(None)
        found = model.hvp(*args)
        return found if len(calls) < 3 else found | {"x": found["x"] * np.float32(1.01)}

    assert set(reasons("repeat", {"hvp": hvp})) == {"x of hvp"}
    assert len(calls) == 3


def test_repeat_when_the_outputs_change_from_the_third_call_on() -> None:
    calls = []

    def forward(model: Any, *args: Any) -> Any:
        calls.append(None)
        found = model.forward(*args)
        return found if len(calls) < 3 else found | {"h_n": found["h_n"] * np.float32(1.01)}

    found = set(reasons("repeat", {"forward": forward}))
    assert "h_n of forward" in found and {name.partition(" of ")[0] for name in found} == {"h_n"}


def test_repeat_when_gradients_change_from_the_third_call_on() -> None:
    calls = []

    def vjp(model: Any, *args: Any) -> Any:
        calls.append(None)
        outputs, gradients = model.vjp(*args)
        return outputs, gradients if len(calls) < 3 else gradients | {"c0": gradients["c0"] * np.float32(1.01)}

    assert {"c0", "c0 of another shape"} <= set(reasons("repeat", {"vjp": vjp}))


def test_repeat_when_the_last_loss_is_not_forgotten() -> None:
    """What the loss before sent into h_n and c_n is sent there again, when this one sees neither."""
    last: dict[str, Any] = {}

    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        fits = {n: v for n, v in last.items() if n != "y" and v.shape[1] == inputs["x"].shape[0]}
        last.update(cotangents)
        return model.vjp(inputs, fits | dict(cotangents), wrt)

    assert {"c0 of another loss"} <= set(reasons("repeat", {"vjp": vjp}))
    assert {"losses", "repeat"} <= seen_by({"vjp": vjp})


def test_repeat_leaves_a_second_derivative_that_fails_to_its_own_property() -> None:
    def hvp(model: Any, *args: Any) -> Any:
        raise ValueError("not twice")

    verdicts = ask(oracle.cache, ["repeat"], {"hvp": hvp})
    assert {verdict.outcome for verdict in verdicts} == {"passed"}


def test_repeat_of_a_second_derivative_that_fails_only_later() -> None:
    """Double backward of a scripted layer failed from the third iteration on."""
    calls = []

    def hvp(model: Any, *args: Any) -> Any:
        calls.append(None)
        if len(calls) > 2:
            raise RuntimeError("the graph has been freed")
        return model.hvp(*args)

    wrong = [verdict for verdict in ask(oracle.cache, ["repeat"], {"hvp": hvp}) if verdict.outcome != "passed"]
    assert [(v.outcome, v.reason) for v in wrong] == [("errored", "exception: RuntimeError: the graph has been freed")]


# --- the contract's device


@dataclass(frozen=True)
class Quiet(Simulated):
    """A mode that has no evidence of its own."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        return (Offer(spec.name, FEATURES, (Mode("any"),), DTYPES, operators=OPERATORS),)


@pytest.mark.parametrize(("ran", "faults"), [({}, 0), ({"device": "cpu"}, 0), ({"device": "cuda"}, 2)])
def test_contract_of_the_device(ran: dict[str, str], faults: int) -> None:
    backend = Quiet(spec, broken({}, ran).fault, features=FEATURES)
    found: list[Verdict] = ask(oracle.cache, ["contract"], {}, backend=backend)
    wrong = [verdict for verdict in found if verdict.outcome == "failed"]
    assert [verdict.tensor for verdict in wrong] == ["device"] * faults
    said = [f"{request} ran on cuda; should have run on cpu" for request in ("forward", "vjp")]
    assert [verdict.reason for verdict in wrong] == said[:faults]

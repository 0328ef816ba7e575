"""The usual checks, run on planted faults: what they must see, and what they cannot."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from gradassay import Fault
from gradassay_lstm import LSTM, Call, spec

torch = pytest.importorskip("torch")
pytest.importorskip("jax")

import rivals  # noqa: E402  # after the skips
from planted import Planted, in_jax, in_torch  # noqa: E402

PLAIN, GOOD, SECOND, JAX, CLOSE, CLOSER = rivals.RIVALS
FAULTS = {fault.name: fault for fault in spec.faults}


@pytest.fixture(autouse=True)
def settings() -> Any:
    """What a rival sets in its process is put back."""
    import jax

    before = jax.config.jax_enable_x64, torch.get_num_threads()
    yield
    jax.config.update("jax_enable_x64", before[0])
    torch.set_num_threads(before[1])


@pytest.mark.parametrize("rival", [PLAIN, SECOND, JAX, CLOSE, CLOSER], ids=lambda rival: rival.name)
def test_the_right_model_passes(rival: rivals.Rival) -> None:
    """As it does for gradcheck-good, which takes seconds: the table counts its false alarms."""
    assert not rival.kills(None)


@pytest.mark.parametrize(
    ("rival", "name"),
    [
        (PLAIN, "gates-g-o-gradient-swapped"),
        (GOOD, "dc0-without-forget-factor"),
        (JAX, "c_n-cotangent-dropped"),
        (SECOND, "c_n-cotangent-dropped"),
        (CLOSE, "gates-i-f-swapped"),
        (CLOSER, "reverse-off-by-one"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_rivals_see_what_they_should(rival: rivals.Rival, name: str) -> None:
    assert rival.kills(FAULTS[name])


@pytest.mark.parametrize(
    ("rival", "name"),
    [
        (PLAIN, "gates-i-f-swapped"),  # wrong alike in value and in gradient: differences agree
        (JAX, "gates-i-f-swapped"),
        (SECOND, "gates-i-f-swapped"),
        (PLAIN, "c_n-cotangent-dropped"),  # the loss is a sum of y
        (CLOSE, "c_n-cotangent-dropped"),
        (CLOSER, "scaled-by-1-plus-50u"),  # below the tolerance
        (CLOSER, "carry-detached-at-16"),  # five steps
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_rivals_cannot_see_everything(rival: rivals.Rival, name: str) -> None:
    assert not rival.kills(FAULTS[name])


def test_a_fault_that_the_setting_lacks_is_not_tried() -> None:
    def crashes(dtype: str, model: Any) -> Any:
        raise AssertionError("tried")

    ragged = Fault("one", "", "none known", ("y",), wrap=crashes, needs=frozenset({"ragged"}))
    long = Fault("two", "", "none known", ("y",), wrap=crashes, minimum={"step": 100})
    half = Fault("three", "", "none known", ("y",), wrap=crashes, dtypes=frozenset({"float16"}))
    assert not any(CLOSE.kills(fault) for fault in (ragged, long, half))
    assert CLOSE.kills(Fault("four", "", "none known", ("y",), wrap=crashes))


def planted(fault: Fault | None = None) -> tuple[Planted, list[Any]]:
    generator = np.random.default_rng(0)
    config, call = LSTM(2, 2), Call(2, 3)
    table = [tensor for tensor in spec.tensors(config, call) if tensor.role != "output"]
    given = {tensor.name: generator.normal(size=tensor.shape) for tensor in table}
    return Planted(spec, config, given, "float64", fault), list(given.values())


def test_a_planted_model_in_torch_is_the_lstm_of_torch_twice_differentiable() -> None:
    model, arrays = planted()
    mine = [torch.from_numpy(array).clone().requires_grad_() for array in arrays]
    theirs = [tensor.detach().clone().requires_grad_() for tensor in mine]
    layer = torch.nn.LSTM(2, 2, batch_first=True, dtype=torch.float64)
    x, h0, c0, *weights = theirs
    named = dict(zip(model.parameters, weights, strict=True))
    y, (h_n, c_n) = torch.func.functional_call(layer, named, (x, (h0, c0)))
    found = []
    for outputs, inputs in ((in_torch(model)(*mine), mine), ((y, h_n, c_n), theirs)):
        first = torch.autograd.grad([out.sin().sum() for out in outputs], inputs, create_graph=True)
        second = torch.autograd.grad([gradient.cos().sum() for gradient in first], inputs)
        found.append([tensor.detach().numpy() for tensor in (*outputs, *first, *second)])
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_a_planted_model_in_jax_is_that_of_torch() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    model, arrays = planted()
    tensors = [torch.from_numpy(array).clone().requires_grad_() for array in arrays]
    outputs = in_torch(model)(*tensors)
    wanted = torch.autograd.grad([out.sum() for out in outputs], tensors)
    got = jax.grad(lambda *given: sum(out.sum() for out in in_jax(model)(*given)), tuple(range(len(arrays))))(*arrays)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(np.asarray(one), other.numpy())


def test_parameters_are_those_of_the_call() -> None:
    model, arrays = planted()
    before = model.forward(arrays)[0]
    assert not np.array_equal(model.forward([*arrays[:3], *(2 * array for array in arrays[3:])])[0], before)
    assert np.array_equal(model.forward(arrays)[0], before)


class Here:
    """An executor that runs what it is given at once."""

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


def test_the_table_counts_kills_and_false_alarms() -> None:
    found = rivals.table(["gates-i-f-swapped", "scaled-by-1-plus-50u"], [CLOSE.name], Here())  # type: ignore[arg-type]  # all it needs
    told = found["rivals"][CLOSE.name]
    assert (told["killed"], told["false_alarms"], told["trials"]) == (1, 0, rivals.TRIALS)
    assert found["kills"] == {"gates-i-f-swapped": {CLOSE.name: True}, "scaled-by-1-plus-50u": {CLOSE.name: False}}
    assert {"python", "torch", "jax", "numpy"} <= set(found["versions"]) and json.dumps(found)

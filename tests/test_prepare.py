"""`gradassay.prepare`: a check in a loop, with its truth at hand, which no change of the layer can make stale."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import gradassay
from gradassay import UsageError, check, prepare
from gradassay._judge import _STANDING
from gradassay._oracle import Oracle
from gradassay_lstm import LSTM

ROWS, STEPS = 2, 5
NOTHING = "got nothing; should be an array of shape (1, 2, 4)"
STALE = "the weights have changed"


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


DATA = {"x": normal(ROWS, STEPS, 3), "h0": normal(1, ROWS, 4), "c0": normal(1, ROWS, 4, seed=1)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))


@pytest.fixture
def torch() -> Any:
    pytest.importorskip("gradassay_torch")
    return pytest.importorskip("torch")


def lstm(torch: Any, kind: Any = None, **options: Any) -> Any:
    torch.manual_seed(0)
    return (kind or torch.nn.LSTM)(3, 4, **options).double()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the kinds of questions that the oracle is asked, as they come."""
    kinds: list[str] = []
    before = Oracle.ask

    def ask(self: Oracle, case: Any, query: Any) -> Any:
        kinds.append(query.kind)
        return before(self, case, query)

    monkeypatch.setattr(Oracle, "ask", ask)
    return kinds


def figures(found: gradassay.Verdicts) -> list[tuple[Any, ...]]:
    return [(v.property, v.tensor, v.outcome, v.rms, v.max, v.worst) for v in found.verdicts]


def reasons(found: gradassay.Verdicts) -> dict[str, str]:
    return {v.property: v.reason for v in found.verdicts if v.outcome == "failed"}


# --- the same as a check, without its price


def test_it_comes_to_what_a_check_comes_to(torch: Any) -> None:
    layer = lstm(torch)
    ready, checked = prepare(layer, **DATA), check(layer, **DATA)
    found = ready()
    assert found and found.ok, str(found)
    assert figures(found) == figures(ready()) == figures(checked)
    assert "outputs: those that come with the gradients; gradassay.check asks for them alone too" in str(found)


def test_the_truth_is_asked_for_once(torch: Any, asked: list[str]) -> None:
    ready = prepare(lstm(torch), **DATA)
    assert asked == ["vjp"]
    assert all(ready() for _ in range(3)) and asked == ["vjp"]


def test_the_layer_is_called_once_each_time(torch: Any) -> None:
    layer, calls = lstm(torch), []
    ready = prepare(layer, **DATA)
    layer.register_forward_hook(lambda *of: calls.append(1))
    assert ready() and ready() and calls == [1, 1]


def test_what_the_caller_does_to_his_data_is_not_seen(torch: Any) -> None:
    x = torch.from_numpy(DATA["x"].copy())
    ready = prepare(lstm(torch), x=x)
    before = figures(ready())
    x.zero_()
    for array in (*ready.inputs.values(), *ready.cotangents.values()):
        array[...] = 0.0
    assert figures(ready()) == before


@pytest.mark.parametrize("options", [{"wrt": ["x", "weight_hh_l0"]}, {"cotangents": {"c_n": normal(1, ROWS, 4)}}])
def test_what_is_asked_can_be_chosen(torch: Any, options: dict[str, Any]) -> None:
    layer = lstm(torch)
    assert figures(prepare(layer, **DATA, **options)()) == figures(check(layer, **DATA, **options))


@pytest.mark.parametrize(("dtype", "node"), [("float64", "SigmoidBackward"), ("float32", "")])
def test_the_kernel_of_a_live_layer_is_read_off_the_graph(torch: Any, dtype: str, node: str) -> None:
    from gradassay_torch._live import NODES, kernel_of

    layer = torch.nn.LSTM(3, 4).to(getattr(torch, dtype))
    found = check(layer, x=DATA["x"].astype(dtype))
    ran = {v.ran.get("kernel") for v in found.verdicts if v.property == "gradients"}
    names, left = set(), [layer(torch.from_numpy(DATA["x"].astype(dtype)))[0].grad_fn]
    while left:
        step = left.pop()
        names.add(step.name().rstrip("0123456789"))
        left += [before for before, _ in step.next_functions if before is not None]
    assert ran == {NODES[name] for name in names & NODES.keys()} and (not node or node in names)
    assert kernel_of({"y": torch.zeros(2)}) == ""


# --- a fault


def test_a_layer_that_turns_wrong_fails_with_a_reason_and_no_other_truth(torch: Any, asked: list[str]) -> None:
    class Turns(torch.nn.LSTM):  # type: ignore[misc]  # a module that may be absent has no types
        wrong = False

        def forward(self, x: Any, state: Any = None) -> Any:
            y, (h_n, c_n) = super().forward(x, state)
            if self.wrong and y.requires_grad:
                y.register_hook(lambda gradient: gradient * 1.001)
            return y, (h_n, c_n)

    layer = lstm(torch, Turns)
    ready = prepare(layer, **DATA)
    assert ready() and asked == ["vjp"]
    layer.wrong = True
    found = ready()
    assert not found and "WRONG: " in str(found) and "gradients of x" in str(found)
    assert {v.outcome for v in found.verdicts if v.property == "values"} == {"passed"}
    layer.wrong = False
    assert ready()


def test_a_layer_that_raises_is_errored(torch: Any) -> None:
    layer = lstm(torch)
    ready = prepare(layer, **DATA)

    def refuse(*of: Any) -> None:
        raise RuntimeError("out of order")

    layer.register_forward_hook(refuse)
    found = ready()
    assert not found and "exception: RuntimeError: out of order" in str(found)


# --- weights that change


def in_place(layer: Any, torch: Any) -> None:
    with torch.no_grad():
        layer.weight_hh_l0.mul_(1.0 + 2.0**-50)


def replaced(layer: Any, torch: Any) -> None:
    layer.bias_ih_l0 = torch.nn.Parameter(layer.bias_ih_l0.detach() + 0.5)


def stepped(layer: Any, torch: Any) -> None:
    layer(torch.from_numpy(DATA["x"]).transpose(0, 1))[0].sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()


def sign_of_zero(layer: Any, torch: Any) -> None:
    with torch.no_grad():
        layer.bias_hh_l0[0] = -0.0


@pytest.mark.parametrize("change", [in_place, replaced, stepped, sign_of_zero])
def test_changed_weights_are_noticed_and_never_judged_by_the_old_truth(
    torch: Any, asked: list[str], change: Any
) -> None:
    layer = lstm(torch)
    with torch.no_grad():
        layer.bias_hh_l0[0] = 0.0
    ready = prepare(layer, **DATA)
    assert STALE not in str(ready())
    change(layer, torch)
    found = ready()
    assert found, str(found)
    assert "the weights have changed: truth and noise are those of the new ones" in str(found)
    assert asked == ["vjp", "vjp"] and figures(found) == figures(check(layer, **DATA))
    assert STALE not in str(ready())


def test_the_old_truth_would_accuse_a_right_layer(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above is for: without the look at the weights, a right layer fails."""
    layer = lstm(torch)
    ready = prepare(layer, **DATA)
    replaced(layer, torch)
    monkeypatch.setattr("gradassay._prepare._as_before", lambda now, before: True)
    monkeypatch.setattr("gradassay._adoption.Adopted.holds", lambda self, parameters: True)
    assert not ready()


def test_a_layer_that_can_no_longer_be_taken_is_refused(torch: Any) -> None:
    layer = lstm(torch, num_layers=2)
    ready = prepare(layer, x=DATA["x"])
    layer.dropout = 0.5
    with pytest.raises(UsageError, match="in training mode with dropout=0.5: two calls draw two masks"):
        ready()


# --- what the caller has computed


def own(torch: Any, layer: Any, ready: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute outputs and gradients as a training loop does."""
    given = {name: torch.from_numpy(array).requires_grad_() for name, array in ready.inputs.items()}
    y, (h_n, c_n) = layer(given["x"].transpose(0, 1), (given["h0"], given["c0"]))
    outputs = {"y": y.transpose(0, 1), "h_n": h_n, "c_n": c_n}
    wrt = given | dict(layer.named_parameters())
    seen = [torch.from_numpy(ready.cotangents[name]) for name in outputs]
    return outputs, dict(zip(wrt, torch.autograd.grad(list(outputs.values()), list(wrt.values()), seen), strict=True))


def test_what_the_caller_computed_is_judged_without_asking_the_layer(torch: Any) -> None:
    layer, calls = lstm(torch), []
    ready = prepare(layer, **DATA)
    outputs, gradients = own(torch, layer, ready)
    layer.register_forward_hook(lambda *of: calls.append(1))
    found = ready.judge(outputs, gradients)
    assert found and not calls, str(found)
    assert figures(found) == figures(ready())
    assert "outputs and gradients: as the caller computed them" in str(found)


def test_what_the_caller_computed_wrongly_is_told(torch: Any) -> None:
    layer = lstm(torch)
    ready = prepare(layer, **DATA)
    outputs, gradients = own(torch, layer, ready)
    wrong = gradients["x"].clone()
    wrong[1, 3, 2] *= 1 + 1e-12
    found = ready.judge(outputs, gradients | {"x": wrong})
    assert [v.tensor for v in found.verdicts if v.outcome == "failed"] == ["x"]
    found = ready.judge(outputs, {name: array for name, array in gradients.items() if name != "h0"})
    assert reasons(found) == {"contract": "h0 is missing; should be there with shape (1, 2, 4)", "gradients": NOTHING}
    found = ready.judge(outputs, gradients | {"h0": None})
    assert reasons(found)["contract"] == "h0 has no gradient (None); should be an array of shape (1, 2, 4)"


@pytest.mark.parametrize(
    ("outputs", "gradients", "message"),
    [
        ({"Y": normal(1)}, {}, "output Y was not asked for; there are y, h_n, c_n"),
        ({}, {"dx": normal(1)}, "gradient dx was not asked for; there are x, h0, c0, weight_ih_l0, "),
        ({"y": object()}, {}, "y is object, no array of numbers; give an array or a tensor"),
    ],
)
def test_what_cannot_be_judged_is_refused(torch: Any, outputs: Any, gradients: Any, message: str) -> None:
    ready = prepare(lstm(torch), **DATA)
    with pytest.raises(UsageError, match=message):
        ready.judge(outputs, gradients)


# --- other frameworks


def test_a_jax_function_is_prepared_and_what_it_jits_is_judged() -> None:
    pytest.importorskip("gradassay_jax")
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:

        def f(p: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
            def step(carry: Any, x: Any) -> Any:
                h, c = carry
                gates = x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
                i, f, g, o = jax.numpy.split(gates, 4, axis=-1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
                h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
                return (h, c), h

            (h, c), y = jax.lax.scan(step, (inputs["h0"][0], inputs["c0"][0]), jax.numpy.swapaxes(inputs["x"], 0, 1))
            return {"y": jax.numpy.swapaxes(y, 0, 1), "h_n": h[None], "c_n": c[None]}

        shapes = {"weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,), "bias_hh_l0": (16,)}
        weights = {name: jax.numpy.asarray(normal(*shape, seed=n)) for n, (name, shape) in enumerate(shapes.items())}
        ready = prepare(f, config=LSTM(3, 4), **weights, **DATA)
        assert ready(), str(ready())

        @jax.jit
        def step(p: Any, inputs: Any, seen: Any) -> Any:
            outputs, pull = jax.vjp(f, p, inputs)
            return outputs, pull(seen)

        outputs, (of_weights, of_inputs) = step(weights, ready.inputs, ready.cotangents)
        found = ready.judge(outputs, of_weights | of_inputs)
        assert found, str(found)
    finally:
        jax.config.update("jax_enable_x64", before)


# --- what it keeps


def test_what_is_worked_out_for_a_reference_goes_with_it(torch: Any) -> None:
    gc.collect()
    before = len(_STANDING)
    ready = prepare(lstm(torch), **DATA)
    ready()
    assert len(_STANDING) > before
    del ready
    gc.collect()
    assert len(_STANDING) == before

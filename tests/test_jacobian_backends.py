"""Many directions at once, in each framework: what each gives alone, or a refusal; live layers, functions, targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files import forget_files
from liars import case, rows, source

import gradassay
from gradassay import Unsupported, UsageError
from gradassay import _plugins as plugins
from gradassay._spec import Array
from gradassay._target import Target
from gradassay_lstm import LSTM, Call

CASES = {
    "plain": case(Call(2, 4)),
    "both directions": case(Call(2, 3), LSTM(3, 4, bidirectional=True)),
    "no states": case(Call(2, 3, h0=False, c0=False)),
}
TARGETS = {
    "numpy/eager": CASES,
    "torch/native": CASES,
    "torch-cell/eager": CASES,
    "jax/jit": CASES,
    "jax/eager": ["plain"],  # every shape is compiled op by op
    "tensorflow/graph": ["plain", "both directions"],
    "tensorflow/eager": ["no states"],
}
ROWS = 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))
    yield
    forget_files()


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def loaded(target: str, given: Any) -> Any:
    name, mode = target.split("/")
    pytest.importorskip(f"gradassay_{name.partition('-')[0]}")
    backend = plugins.find("backend", name).load()
    backend.devices()
    return backend.load("lstm", given.config, dict(given.parameters), Target(name, mode, "cpu", "float64"))


def random(given: Any, names: tuple[str, ...], seed: int) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=(ROWS, *given.table[name].shape)) for name in names}


def close(got: Any, want: Any) -> bool:
    return got.shape == want.shape and got.dtype == want.dtype and np.allclose(got, want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in TARGETS.items() for name in names])
def test_many_cotangents_give_what_each_gives(target: str, name: str) -> None:
    given = CASES[name]
    model, along = loaded(target, given), random(given, ("y", "c_n"), 0)
    wrt = ("x", *(["h0"] if "h0" in given.inputs else []), "weight_hh_l0", "bias_ih_l0")
    found = model.vjps(given.inputs, along, wrt)
    assert set(found) == set(wrt)
    for k in range(ROWS):
        alone = model.vjp(given.inputs, {n: v[k] for n, v in along.items()}, wrt)[1]
        assert all(close(found[n][k], alone[n]) for n in wrt)
    one = model.vjps(given.inputs, {n: v[:1] for n, v in along.items()}, wrt)  # one is many, too
    assert all(close(one[n], found[n][:1]) for n in wrt)


@pytest.mark.parametrize("target", ["torch/native", "torch-cell/eager", "jax/jit"])
@pytest.mark.parametrize("name", CASES)
def test_many_tangents_give_what_each_gives(target: str, name: str) -> None:
    given = CASES[name]
    model, along = loaded(target, given), random(given, ("x", "weight_ih_l0"), 1)
    found = model.jvps(given.inputs, along, ("y", "h_n"))
    assert set(found) == {"y", "h_n"}
    for k in range(ROWS):
        alone = model.jvp(given.inputs, {n: u[k] for n, u in along.items()})[1]
        assert all(close(found[n][k], alone[n]) for n in found)


def test_what_cannot_be_batched_is_refused() -> None:
    given = case(Call(2, 3), dtype="float32")
    pytest.importorskip("gradassay_torch")
    backend = plugins.find("backend", "torch").load()
    model = backend.load("lstm", given.config, dict(given.parameters), Target("torch", "onednn", "cpu", "float32"))
    along = {"y": np.ones((2, 2, 3, 4), np.float32)}
    with pytest.raises(Unsupported, match="torch cannot batch the backward of onednn's layer"):
        model.vjps(given.inputs, along, ("x",))
    with pytest.raises(Unsupported, match="no forward mode to batch"):
        model.jvps(given.inputs, {"x": np.ones((2, 2, 3, 3), np.float32)}, ("y",))
    cell = plugins.find("backend", "torch-cell").load()
    compiled = cell.load(
        "lstm", given.config, dict(given.parameters), Target("torch-cell", "compile", "cpu", "float32")
    )
    with pytest.raises(Unsupported, match="a compiled graph is differentiated one cotangent at a time"):
        compiled.vjps(given.inputs, along, ("x",))


def test_xla_has_no_pfor() -> None:
    given = CASES["plain"]
    with pytest.raises(Unsupported, match="XLA compiles no pfor over a loop"):
        loaded("tensorflow/xla", given).vjps(given.inputs, random(given, ("y",), 0), ("x",))


def test_cotangents_of_different_numbers_are_refused() -> None:
    given = CASES["plain"]
    along = random(given, ("y", "c_n"), 0)
    with pytest.raises(ValueError, match=r"cotangents have \[2, 3\] rows; all should have the same number"):
        loaded("numpy/eager", given).vjps(given.inputs, {**along, "y": along["y"][:2]}, ("x",))


@pytest.mark.parametrize("target", ["jax/jit", "tensorflow/eager"])
def test_outputs_that_are_compiled_are_the_same(target: str) -> None:
    given = CASES["no states"]
    model = loaded(target, given)
    plain, compiled = model.forward(given.inputs), model.primal(given.inputs)
    assert all(close(compiled[name], plain[name]) for name in plain)
    if target == "tensorflow/eager":
        assert model.ran["executed"] == "graph"
        model.forward(given.inputs)
        assert model.ran["executed"] == "eager"  # the model is what it was


# --- what can be handed over


def test_a_live_layer_of_torch() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("gradassay_torch")
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 4, batch_first=True, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    made = gradassay.jacobian_plan(layer, of="y", wrt=("x", np.s_[:, 1:4]), x=x)
    want = torch.func.jacrev(lambda moved: layer(moved)[0])(x).detach().numpy()[:, :, :, :, 1:4]
    assert np.allclose(made().array, want, rtol=1e-12, atol=1e-15)
    with torch.no_grad():
        layer.weight_hh_l0 *= 0.5  # a plan asks the layer as it is
    want = torch.func.jacrev(lambda moved: layer(moved)[0])(x).detach().numpy()[:, :, :, :, 1:4]
    assert np.allclose(made().array, want, rtol=1e-12, atol=1e-15)
    assert not any(parameter.grad is not None for parameter in layer.parameters())
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_a_whole_layer_of_a_library_holds_every_row_many_times() -> None:
    """oneDNN's LSTM in float32 is one operation, which nothing can batch."""
    given = case(Call(2, 4), dtype="float32")
    pytest.importorskip("gradassay_torch")
    found = gradassay.jacobian("torch/onednn/float32", of="y", wrt="x", config=given.config, **given.tensors)
    assert "rows repeated" in found.route and found.cost.lanes < 60
    assert found.certified, str(found.certified)


def test_a_live_layer_of_keras() -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("gradassay_tensorflow")
    tensorflow = pytest.importorskip("tensorflow")
    layer = keras.layers.LSTM(4, return_sequences=True, dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    layer.build(x.shape)
    found = gradassay.jacobian(layer, of="y", wrt="x", x=x)
    with tensorflow.GradientTape(persistent=True) as tape:
        given = tensorflow.constant(x)
        tape.watch(given)
        y = layer(given)
    assert np.allclose(found.array, tape.jacobian(y, given, experimental_use_pfor=False), rtol=1e-11, atol=1e-14)


def test_a_jax_function() -> None:
    jax = pytest.importorskip("jax")
    from gradassay_jax._execution import Tally
    from gradassay_jax._lstm import lstm

    given = CASES["plain"]

    def function(parameters: Any, inputs: Any) -> Any:
        return lstm(given.config, {**parameters, **inputs}, Tally())

    found = gradassay.jacobian(function, of="y", wrt="x", config=given.config, spec="lstm", **given.tensors)
    want = jax.jacrev(lambda x: function(given.parameters, {**given.inputs, "x": x})["y"])(given.tensors["x"])
    assert np.allclose(found.array, want, rtol=1e-12, atol=1e-15)
    assert found.certified


FAST = """
import numpy as np
from gradassay_numpy import backend

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

@backend(spec="lstm")
def fast(config, parameters, inputs):
    p, x, h, c = parameters, inputs["x"], inputs["h0"][0], inputs["c0"][0]
    y = []
    for t in range(x.shape[1]):
        z = x[:, t] @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
        i, f, g, o = np.split(z, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        y.append(h)
    return {"y": np.stack(y, axis=1), "h_n": h[None], "c_n": c[None]}
"""


@pytest.mark.parametrize("wrt", ["x", "bias_hh_l0"])
def test_a_function_in_a_file(tmp_path: Path, wrt: str) -> None:
    file = tmp_path / "fast.py"
    file.write_text(FAST)
    given = CASES["plain"]
    found = gradassay.jacobian(f"{file}:fast", of=("y", np.s_[:, 1]), wrt=wrt, config=given.config, **given.tensors)
    assert found.route == "finite differences" and found.error_bar is not None
    assert np.allclose(found.array, rows(source(given=given), "y", wrt)[:, 1], atol=1e-8)
    assert found.certified


def test_data_are_rounded_to_a_dtype_that_is_named() -> None:
    given = CASES["plain"]
    found = gradassay.jacobian("numpy/float32", of="y", wrt="x", config=given.config, **given.tensors)
    assert found.array.dtype == np.float32 and found.certified
    halves = {name: array.astype(np.float32) for name, array in given.tensors.items()}
    assert gradassay.jacobian("numpy", of="y", wrt="x", config=given.config, **halves).array.dtype == np.float32


@pytest.mark.parametrize(
    ("target", "config", "message"),
    [
        ("numpy", None, "a target needs config=..., such as gradassay_lstm.LSTM"),
        ("numpy/bfloat16", LSTM(3, 4), "'bfloat16' is no mode, device or dtype of numpy"),
        ("nampy", LSTM(3, 4), "nampy"),
    ],
)
def test_targets_that_cannot_be(target: str, config: Any, message: str) -> None:
    given = CASES["plain"]
    with pytest.raises(UsageError) as refused:
        gradassay.jacobian(target, of="y", wrt="x", config=config, **given.tensors)
    assert message in str(refused.value)


def test_a_target_without_the_spec_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fast.py"
    file.write_text(FAST)
    given = CASES["plain"]
    more = {"target": np.zeros((2, 4, 4))}
    with pytest.raises(UsageError, match="does not offer mse"):
        gradassay.jacobian(f"{file}:fast", of="loss", wrt="x", config=given.config, spec="mse", **given.tensors, **more)


def test_a_loss_has_no_rows_and_no_steps() -> None:
    given = CASES["plain"]
    more = {"target": np.random.default_rng(0).normal(size=(2, 4, 4))}
    found = gradassay.jacobian("numpy", of="loss", wrt="x", config=given.config, spec="mse", **given.tensors, **more)
    assert found.array.shape == (2, 4, 3) and found.certified

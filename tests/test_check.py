"""`gradassay.check` on live layers of torch, JAX and Keras: right ones, wrong ones, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradassay
from gradassay import UsageError, check
from gradassay._record import Drawn, Footer, Header, Verdict
from gradassay._ties import Ties, widened
from gradassay_lstm import LSTM

CONFIG = LSTM(3, 4)
ROWS, STEPS = 2, 5


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


SHAPES = {"weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,), "bias_hh_l0": (16,)}
PARAMETERS = {name: normal(*shape, seed=n) for n, (name, shape) in enumerate(SHAPES.items())}
DATA = {"x": normal(ROWS, STEPS, 3), "h0": normal(1, ROWS, 4), "c0": normal(1, ROWS, 4, seed=1)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))


def framework(name: str) -> Any:
    """Return a framework; where it or its backend is not installed, skip the test that asks, and no other."""
    pytest.importorskip(f"gradassay_{name}")
    return pytest.importorskip(name)


@pytest.fixture
def torch() -> Any:
    return framework("torch")


@pytest.fixture
def jax() -> Any:
    return framework("jax")


@pytest.fixture
def x64(jax: Any) -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


# --- layers of torch


def torch_lstm(dtype: str = "float32", kind: Any = None, **options: Any) -> Any:
    torch = framework("torch")
    torch.manual_seed(0)
    return (kind or torch.nn.LSTM)(3, 4, **options).to(getattr(torch, dtype))


@pytest.fixture
def scales_gradient(torch: Any) -> Any:
    class ScalesGradient(torch.nn.LSTM):  # type: ignore[misc]  # a module that may be absent has no types
        """Right values; the gradient that comes back through c_n is too large by a thousandth."""

        def forward(self, x: Any, state: Any = None) -> Any:
            y, (h_n, c_n) = super().forward(x, state)
            if c_n.requires_grad:
                c_n.register_hook(lambda gradient: gradient * 1.001)
            return y, (h_n, c_n)

    return ScalesGradient


@pytest.fixture
def detaches_batch(torch: Any) -> Any:
    class DetachesBatch(torch.nn.LSTM):  # type: ignore[misc]  # as above
        """Works in silence on a part of the batch only."""

        def forward(self, x: Any, state: Any = None) -> Any:
            y, last = super().forward(x, state)
            return torch.cat([y[:, :1].detach(), y[:, 1:]], dim=1), last

    return DetachesBatch


# --- functions of JAX


def in_jax(dtype: str, *names: str) -> dict[str, Any]:
    """Return what is named of the parameters and the data, all by default, as arrays of JAX."""
    jnp = framework("jax").numpy
    given = PARAMETERS | DATA
    return {name: jnp.asarray(given[name], dtype) for name in names or given}


def jax_lstm(p: dict[str, Any], inputs: dict[str, Any], forget_error: float = 0.0) -> dict[str, Any]:
    jax = framework("jax")
    jnp = jax.numpy

    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        gates = x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        f = jax.nn.sigmoid(f) * (1 + forget_error)
        c = f * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (inputs["h0"][0], inputs["c0"][0]), jnp.swapaxes(inputs["x"], 0, 1))
    return {"y": jnp.swapaxes(y, 0, 1), "h_n": h[None], "c_n": c[None]}


def forgetful(p: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    return jax_lstm(p, inputs, forget_error=1e-5)


def outcomes(found: gradassay.Verdicts, property_: str) -> dict[str, str]:
    return {v.tensor: v.outcome for v in found.verdicts if v.property == property_}


# --- right layers


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True}, {"num_layers": 2, "bidirectional": True, "bias": False}, {"proj_size": 2}]
)
def test_a_right_torch_layer_passes(torch: Any, dtype: str, options: dict[str, Any]) -> None:
    layer = torch_lstm(dtype, **options)
    x = torch.from_numpy(normal(ROWS, STEPS, 3)).to(getattr(torch, dtype)).requires_grad_()
    found = check(layer, x=x)
    assert found and found.ok, str(found)
    assert set(outcomes(found, "gradients")) == {"x", *dict(layer.named_parameters())}
    assert set(outcomes(found, "values")) == {"y", "h_n", "c_n"}
    assert x.grad is None and all(p.requires_grad and p.grad is None for p in layer.parameters())


def test_data_are_canonical_whatever_the_layers_layout() -> None:
    """Batch first, and states by layer and direction: the same data are held against the same truth and noise."""
    given = {"x": normal(ROWS, STEPS, 3), "h0": normal(1, ROWS, 4), "c0": normal(1, ROWS, 4)}
    first, second = (check(torch_lstm("float64", batch_first=batch_first), **given) for batch_first in (False, True))
    assert first and second
    told = [
        [(v.property, v.tensor, v.visible_whole, v.visible_element) for v in found.verdicts]
        for found in (first, second)
    ]
    assert told[0] == told[1]
    assert len({visible for _, _, visible, _ in told[0]}) > 5


def test_ragged_data_have_no_ties_on_their_padding() -> None:
    x = np.zeros((3, 6, 3))
    x[0], x[1, :3], x[2, :1] = normal(6, 3), normal(3, 3, seed=1), normal(1, 3, seed=2)
    found = check(torch_lstm("float64"), x=x, lengths=[6, 3, 1])
    assert found, str(found)
    assert {v.truth.rung for v in found.verdicts if v.truth} == {"ball"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_right_jax_function_passes(jax: Any, dtype: str, x64: None) -> None:
    found = check(jax.jit(jax_lstm), config=CONFIG, **in_jax(dtype))
    assert found, str(found)
    assert set(outcomes(found, "gradients")) == {*PARAMETERS, *DATA}


def test_a_function_is_checked_in_a_dtype_that_is_named(jax: Any) -> None:
    found = check(jax.jit(jax_lstm), config=CONFIG, dtype="bfloat16", **PARAMETERS, **DATA)
    assert found and {v.target for v in found.verdicts} == {"jax/live/here/bfloat16"}


def test_a_function_of_another_spec_is_known_by_its_data(jax: Any) -> None:
    def loss(p: Any, inputs: Any) -> Any:
        return {"loss": jax.numpy.mean((jax_lstm(p, inputs)["y"] - inputs["target"]) ** 2)}

    target = jax.numpy.asarray(normal(ROWS, STEPS, 4), "float32")
    found = check(jax.jit(loss), config=CONFIG, **in_jax("float32"), target=target)
    assert found, str(found)
    assert {v.spec for v in found.verdicts} == {"mse"}
    assert "target" in outcomes(found, "gradients")


KERAS = """
import warnings
import numpy as np, keras, tensorflow as tf
import gradassay
x = np.random.default_rng(0).normal(size=(2, 5, 3))
for dtype in ("float32", "float64"):
    layer = keras.layers.LSTM(4, dtype=dtype)
    layer.build((None, None, 3))
    found = gradassay.check(layer, x=tf.constant(x, dtype))
    assert found, str(found)
    print(found.records[0].targets[0], sorted({v.tensor for v in found.verdicts if v.property == "gradients"}))

class Forgets(keras.layers.LSTM):
    def call(self, sequences, **options):
        y, h, c = super().call(sequences, **options)
        return y, h, tf.stop_gradient(c)

layer = Forgets(4, return_sequences=True, return_state=True, zero_output_for_mask=True)
layer.build((None, None, 3))
found = gradassay.check(layer, x=keras.Variable(x, dtype="float32"))
print(bool(found), sorted({v.outcome for v in found.verdicts if v.property == "values"}), found)
for layer in (keras.layers.LSTM(4), keras.layers.Dense(4)):
    try:
        gradassay.check(layer, x=x)
    except gradassay.UsageError as error:
        print(error)
"""


def test_keras_layers() -> None:
    pytest.importorskip("gradassay_tensorflow")
    ended = subprocess.run([sys.executable, "-c", KERAS], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    names = "['bias_hh_l0', 'bias_ih_l0', 'weight_hh_l0', 'weight_ih_l0', 'x']"
    lines = ended.stdout.splitlines()
    assert lines[:2] == [f"tensorflow/live/here/{dtype} {names}" for dtype in ("float32", "float64")]
    assert lines[2].startswith("False ['passed'] <Forgets name=forgets")
    assert "WRONG" in ended.stdout and "gradients of x" in ended.stdout
    assert "tensorflow cannot check <LSTM" in ended.stdout and "the layer is not built" in ended.stdout
    assert "no backend takes <Dense" in ended.stdout


# --- wrong layers


def test_a_scaled_gradient_fails_and_is_explained(scales_gradient: Any) -> None:
    layer = torch_lstm(kind=scales_gradient, batch_first=True)
    found = check(layer, x=normal(ROWS, STEPS, 3).astype("float32"))
    assert not found and not found.ok
    assert set(outcomes(found, "values").values()) == {"passed"}
    assert set(outcomes(found, "gradients").values()) == {"failed"}
    said = str(found)
    assert repr(found) == said
    assert re.search(r"^ScalesGradient\(3, 4, batch_first=True\) as lstm 1 in float32 \(torch \d", said)
    assert re.search(r"^  gradients  weight_ih_l0 +[\d,]+ +[\d,]+ +14\.8  failed$", said, re.M)
    assert re.search(r"^torch/live/here/float32: gradients of \w+ failed in live/data \(lstm\)$", said, re.M)
    assert re.search(r"^  got         -?[\d.e-]+$", said, re.M)
    assert re.search(r"^  should be   -?[\d.e-]+ ± [\d.e-]+ \(one noise unit\)$", said, re.M)
    assert re.search(r"^  where       .*(row|gate|unit) .*\(at \[[\d, ]+\]\)$", said, re.M)
    assert re.search(r"^  how far     [\d,]+ noise units at most \(limit [\d.]+\)", said, re.M)
    assert re.search(r"^WRONG: 5 failed of 10 verdicts; gradients of x", said, re.M)
    assert "replay" not in said


def test_a_scaled_gradient_that_the_loss_does_not_see_passes(scales_gradient: Any) -> None:
    x = normal(ROWS, STEPS, 3).astype("float32")
    cotangents = {"y": normal(ROWS, STEPS, 4).astype("float32")}
    found = check(torch_lstm(kind=scales_gradient), x=x, cotangents=cotangents)
    assert found, str(found)
    assert "cotangents" not in str(found)


def test_a_detached_row_fails_where_it_is(detaches_batch: Any) -> None:
    found = check(torch_lstm(kind=detaches_batch), x=normal(ROWS, STEPS, 3).astype("float32"))
    worst = {v.tensor: v.worst for v in found.verdicts if v.property == "gradients"}["x"]
    assert worst is not None and worst.where["row"] == "0"
    assert outcomes(found, "values")["y"] == "passed"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_forget_gate_error_of_1e_minus_5_fails(jax: Any, dtype: str, x64: None) -> None:
    found = check(jax.jit(forgetful), config=CONFIG, **in_jax(dtype))
    assert not found
    assert outcomes(found, "values")["c_n"] == outcomes(found, "gradients")["c0"] == "failed"
    assert str(found).startswith(f"forgetful as lstm 1 in {dtype} (jax ")


def test_a_function_that_raises_is_errored() -> None:
    found = check(jax_lstm, config=CONFIG, **in_jax("float32", *PARAMETERS, "x"))
    assert not found and {v.outcome for v in found.verdicts} == {"errored"}
    assert "exception: KeyError: 'h0'" in str(found)


def test_a_function_that_lacks_an_output_breaks_the_contract(jax: Any) -> None:
    def short(p: Any, inputs: Any) -> Any:
        return {name: array for name, array in jax_lstm(p, inputs).items() if name != "c_n"}

    found = check(
        short,
        config=CONFIG,
        properties=["contract"],
        cotangents={"y": jax.numpy.ones((ROWS, STEPS, 4))},
        **in_jax("float32"),
    )
    assert not found
    assert "c_n is missing; should be there with shape (1, 2, 4)" in str(found)


# --- what is asked


def test_what_is_differentiated_and_asked_can_be_chosen() -> None:
    asked = ["gradients", "jvp", "hvp", "adjoint", "jacobian", "repeat", "untouched"]
    found = check(torch_lstm("float64"), wrt=["c0"], properties=asked, **DATA)
    assert found, str(found)
    assert set(outcomes(found, "gradients")) == set(outcomes(found, "hvp")) == {"c0"}
    assert set(outcomes(found, "jacobian")) == {"d y / d c0", "d h_n / d c0", "d c_n / d c0"}
    assert {v.property for v in found.verdicts} == set(asked)


def test_cotangents_are_drawn_from_the_data_alone() -> None:
    layer, x = torch_lstm("float64"), normal(ROWS, STEPS, 3)
    wants = [
        [v.worst.want for v in check(layer, x=given, properties=["gradients"]).verdicts if v.worst]
        for given in (x, x.copy(), np.nextafter(x, 9))
    ]
    assert wants[0] == wants[1] != wants[2]
    assert "independent random ones for y, h_n, c_n, from a hash of the data" in str(check(layer, x=x))


def test_records_are_a_run() -> None:
    found = check(torch_lstm(), x=normal(ROWS, STEPS, 3).astype("float32"))
    header, drawn, *verdicts, footer = found.records
    assert isinstance(drawn, Drawn)
    assert isinstance(header, Header) and header.command == "gradassay.check"
    assert "torch" in header.versions["torch"]
    assert tuple(verdicts) == found.verdicts and all(isinstance(v, Verdict) for v in verdicts)
    assert isinstance(footer, Footer) and footer.complete and footer.counts == {"passed": 10}
    assert re.search(
        r"^RIGHT: 10 verdicts passed; worst [\d.]+ of [\d.]+ noise units \(\w+ of \w+\)$", str(found), re.M
    )


# --- ties


def same_rows(count: int) -> dict[str, Any]:
    """Return equal rows with equal cotangents: every reduction over the batch adds equal numbers."""
    x = np.broadcast_to(normal(1, 3, 3), (count, 3, 3)).astype("float32")
    ones = {name: np.ones(shape, "float32") for name, shape in (("y", (count, 3, 4)), ("c_n", (1, count, 4)))}
    return {"x": x, "cotangents": ones}


def test_equal_rows_are_judged_by_the_a_priori_bound() -> None:
    found = check(torch_lstm(), **same_rows(256))
    assert found, str(found)
    rungs = {v.tensor: v.truth.rung for v in found.verdicts if v.truth}
    assert rungs["bias_ih_l0"] == "ball, a-priori noise (256 equal rows)"
    assert rungs["x"] == rungs["y"] == "ball"
    assert "truth and noise: ball, a-priori noise (256 equal rows)" in str(found)


def test_independent_noise_would_accuse_a_right_layer_of_equal_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradassay._ties.ties", lambda case, answer: Ties())
    assert not check(torch_lstm(), **same_rows(256))


def test_equal_rows_still_show_a_fault(scales_gradient: Any) -> None:
    found = check(torch_lstm(kind=scales_gradient), **same_rows(8))
    assert outcomes(found, "gradients")["x"] == "failed"
    assert outcomes(found, "gradients")["bias_ih_l0"] == "failed"


def test_equal_steps_are_judged_by_the_a_priori_bound() -> None:
    x = normal(ROWS, STEPS, 3)
    x[1, 3] = x[1, 0]
    found = check(torch_lstm("float64"), x=x)
    assert found and {v.truth.rung for v in found.verdicts if v.truth} == {"ball, a-priori noise (2 equal steps)"}


def test_rows_that_differ_in_a_state_are_no_ties() -> None:
    x = np.broadcast_to(normal(1, STEPS, 3), (ROWS, STEPS, 3))
    found = check(torch_lstm("float64"), x=x, h0=normal(1, ROWS, 4), c0=normal(1, ROWS, 4))
    assert {v.truth.rung for v in found.verdicts if v.truth} == {"ball"}


def test_a_bound_that_hides_the_value_is_blind() -> None:
    x = np.broadcast_to(normal(1, 1, 3), (32, 16, 3))
    found = check(torch_lstm("bfloat16"), x=x.copy(), dtype="bfloat16")
    blind = {v.tensor: v.reason for v in found.verdicts if v.outcome == "blind"}
    hidden = "the a-priori noise of 32 equal rows and 16 equal steps is more than 1/16 of the value"
    assert blind["bias_ih_l0"] == hidden and not found
    assert f"blind: {hidden}" in " ".join(str(found).split())
    assert "NOT VERIFIED: torch/live/here/bfloat16 reached no verdict on gradients" in str(found)


def test_without_ties_a_reference_stays_as_it_is() -> None:
    reference: Any = object()
    assert widened(reference, Ties(), None) is reference


# --- what is refused

TAKES = "lstm takes x (row, step, 3); optional: h0 (1, row, 4), c0 (1, row, 4), lengths (row,)"
X = normal(ROWS, STEPS, 3).astype("float32")
H = normal(1, ROWS, 4).astype("float32")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, f"missing: x (row, step, 3)\n{TAKES}"),
        ({"x": X, "hx": H}, "there is no tensor `hx`: there are"),
        ({"x": X, "h_n": H}, f"h_n is an output: it is computed, not given\n{TAKES}"),
        ({"x": X[0]}, "x has shape (5, 3); should be (row, step, 3)"),
        ({"x": X[..., :2]}, "x has shape (2, 5, 2); should be (2, 5, 3), that is (row, step, feature)"),
        (
            {"x": X, "h0": H.swapaxes(0, 1), "c0": H},
            "h0 has shape (2, 1, 4); should be (1, 2, 4), that is (layer * direction, row, unit)",
        ),
        ({"x": X.astype(complex)}, "x is complex128: complex numbers are out of scope; should be float32"),
        (
            {"x": X.astype(float)},
            "x is float64, but the parameters are float32: convert it, or say dtype='float32' to have it rounded",
        ),
        ({"x": np.arange(30).reshape(2, 5, 3)}, f"x is {np.arange(1).dtype}; should be float32"),
        ({"x": np.where(X > 1, np.nan, X)}, "x is not finite in float32 at"),
        ({"x": X.astype(float) * 1e39, "dtype": "float32"}, "x is not finite in float32 at 23 of 30 elements"),
        ({"x": None}, "x is NoneType, no array of numbers"),
        ({"x": X, "lengths": [5.0, 5.0]}, "lengths is float64; should be integers"),
        ({"x": X, "lengths": [5, 6]}, "Call.lengths has 6; each should be from 0 to steps = 5"),
        ({"x": X, "wrt": ["y"]}, "wrt: there is no tensor `y`"),
        (
            {"x": X, "lengths": [5, 4], "wrt": ["x", "lengths"]},
            "wrt: lengths is an index of integers: no gradient by it exists; there are x, weight_ih_l0",
        ),
        ({"x": X, "wrt": []}, "wrt names nothing; leave it out for all of x, weight_ih_l0"),
        ({"x": X, "cotangents": {"loss": 1.0}}, "cotangents: there is no output `loss`: there are c_n, h_n, y"),
        ({"x": X, "cotangents": {"y": X}}, "cotangent of y has shape (2, 5, 3); should be (2, 5, 4)"),
        ({"x": X, "properties": ["gradient"]}, "there is no property `gradient`"),
        ({"x": X, "dtype": "float64"}, "dtype is 'float64', but LSTM(3, 4) is in float32: convert the layer itself"),
        ({"x": X, "dtype": "single"}, "dtype is 'single'; should be one of float64, float32, bfloat16, float16"),
        ({"x": X, "spec": "mse"}, "spec is 'mse', but torch takes this layer as 'lstm'"),
        ({"x": X, "config": LSTM(3, 5)}, "leave config out"),
        ({"x": X, "config": (3, 4)}, "config is tuple, which no spec takes; there are Classifier (classifier), "),
        ({"x": X, "config": CONFIG, **PARAMETERS}, "has its own"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check(torch_lstm(), **given)


def test_a_layer_that_nobody_knows_is_refused_with_who_was_asked(torch: Any) -> None:
    with pytest.raises(UsageError, match=r"no backend takes object.*takes? live layers are .*torch") as caught:
        check(type("object", (), {"__repr__": lambda self: "object"})(), x=X)
    assert "config" not in str(caught.value)


def test_a_function_without_a_configuration_is_refused(jax: Any) -> None:
    with pytest.raises(UsageError, match=r"with config=\.\.\. and its parameters as keywords"):
        check(jax_lstm, x=X)


def test_a_function_without_one_of_its_parameters_is_refused() -> None:
    given = in_jax("float32", *(PARAMETERS.keys() | DATA.keys()) - {"bias_hh_l0"})
    with pytest.raises(UsageError, match=re.escape(f"missing: bias_hh_l0 (16,)\n{TAKES}")):
        check(jax_lstm, config=CONFIG, **given)


def test_a_layer_that_its_backend_refuses_says_why() -> None:
    layer = torch_lstm(num_layers=2, dropout=0.5)
    with pytest.raises(UsageError, match=r"torch cannot check LSTM\(3, 4, .*: .*two calls draw two masks"):
        check(layer, x=X)
    assert check(layer.eval(), x=X)


def test_float64_in_a_jax_without_it_is_refused(jax: Any) -> None:
    with pytest.raises(UsageError, match=r"jax cannot check jax_lstm: .*jax_enable_x64"):
        check(jax_lstm, config=CONFIG, **PARAMETERS, **DATA)


def test_no_framework_is_imported_to_find_out() -> None:
    code = """
import sys, numpy, gradassay
try:
    gradassay.check(object(), x=numpy.ones(3))
except gradassay.UsageError:
    print([name for name in ("torch", "tensorflow", "keras", "jax") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"

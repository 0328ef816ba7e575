"""The bundled backends `tensorflow` and `tensorflow-loop`: evidence of what ran and where, gaps, refusals, answers."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from evidence import Opening, alone, ask, assert_open, fell_back, openings, why

from gradassay._backend import Unsupported
from gradassay._record import Verdict
from gradassay._run import verify

tf = pytest.importorskip("tensorflow")

import keras  # noqa: E402  # TensorFlow brings it

from gradassay_tensorflow import _framework, _modes, loop_backend, tensorflow_backend  # noqa: E402

_framework.configure()  # two CPU devices, which can be had only before anything else uses TensorFlow

BOTH = pytest.mark.parametrize("backend", [tensorflow_backend, loop_backend], ids=lambda backend: backend.name)


# --- what really ran


class NotTraced:
    """What `tf.function` returns, with a graph to show, and the plain function to call."""

    def __init__(self, function: Any, **options: Any) -> None:
        self.function = function

    def get_concrete_function(self, *signature: Any) -> Any:
        graph = SimpleNamespace(get_operations=lambda: [SimpleNamespace(type="MatMul")])
        marked = SimpleNamespace(attr={"_XlaMustCompile": SimpleNamespace(b=True)})
        return Concrete(self.function, graph, marked)


class Concrete:
    def __init__(self, function: Any, graph: Any, function_def: Any) -> None:
        self.function, self.graph, self.function_def = function, graph, function_def

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def not_compiled(function: Any, *, traced: Any = tf.function, jit_compile: bool, autograph: bool) -> Any:
    """`tf.function` with a deaf ear for `jit_compile`."""
    return traced(function, jit_compile=False, autograph=autograph)


@BOTH
def test_a_graph_that_is_not_traced_is_no_verdict(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(backend, "graph", "float64")
    monkeypatch.setattr(tf, "function", NotTraced)
    reason = why(ask(one, "plain", "values", "gradients"))
    assert reason == fell_back("graph", "executed=graph", executed="not a graph")


@BOTH
def test_an_empty_graph_is_no_verdict(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = _modes.Execution._trace

    def emptied(self: Any, *arguments: Any) -> Any:
        traced = trace(self, *arguments)
        return _modes.Traced(traced.call, 0, traced.must_compile)

    one = alone(backend, "graph", "float64")
    monkeypatch.setattr(_modes.Execution, "_trace", emptied)
    assert why(ask(one, "plain", "values")) == fell_back("graph", "executed=graph", executed="not a graph")


@BOTH
def test_xla_without_compiling_fails_on_its_assertion(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(backend, "xla", "float64")
    monkeypatch.setattr(tf, "function", not_compiled)
    reason = why(ask(one, "plain", "gradients"))
    assert "a function marked jit_compile was executed as a graph" in reason


@BOTH
def test_xla_without_its_mark_is_no_verdict(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(backend, "xla", "float64")
    monkeypatch.setattr(tf, "function", not_compiled)
    monkeypatch.setattr(tf.debugging, "Assert", lambda condition, data: None)
    assert why(ask(one, "plain", "values", "gradients")) == fell_back("xla", "executed=xla", executed="graph")


@BOTH
def test_eager_inside_a_graph_is_no_verdict(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enter = _modes.Execution._enter

    def traced(self: Any, function: Any, tensors: Any) -> Any:
        return tf.function(partial(enter, self, function), autograph=False)(tensors)

    one = alone(backend, "eager", "float64")
    monkeypatch.setattr(_modes.Execution, "_enter", traced)
    reason = why(ask(one, "plain", "values", "gradients"))
    assert reason == fell_back("eager", "executed=eager", executed="not eager")


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_functions_that_run_eagerly_are_seen_or_are_graphs_all_the_same(mode: str) -> None:
    """The switch for debuggers is no fall-back: what was traced here is called as it is."""
    tf.config.run_functions_eagerly(True)
    try:
        found = ask(alone(loop_backend, mode, "float64"), "plain", "values")
    finally:
        tf.config.run_functions_eagerly(False)
    assert {(v.outcome, v.ran["executed"]) for v in found} == {("passed", mode)}


# --- where it ran


@BOTH
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("device", ["cpu", "cpu:1"])
def test_gradients_are_right_and_the_device_is_named(backend: Any, mode: str, device: str) -> None:
    found = ask(alone(backend, mode, "float64", device), "plain", "values", "gradients")
    assert {(v.outcome, v.ran["executed"], v.ran["device"]) for v in found} == {("passed", mode, device)}


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_answers_from_another_device_are_no_verdict(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(loop_backend, mode, "float64", "cpu:1")
    monkeypatch.setattr(_modes, "placement", lambda device: "/device:CPU:0")
    assert "answers are on cpu, but cpu:1 was asked for" in why(ask(one, "plain", "values", "gradients"))


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"there is no device 'cuda:7' in this process; there are cpu, cpu:1"):
        _framework.placement("cuda:7")


def test_the_smoke_cases_on_both_devices_agree() -> None:
    records = verify(
        ["tensorflow/eager/float64", "tensorflow/eager/cpu:1/float64"],
        suites=["smoke"],
        cases=["plain", "ragged"],
        properties=["gradients", "agreement"],
        objects=[tensorflow_backend],
        cache=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    assert {v.outcome for v in verdicts} == {"passed"}
    assert {(v.spec, v.case) for v in verdicts if v.property == "agreement"} == {
        ("lstm", "plain"),
        ("lstm", "ragged"),
        ("mse", "plain"),
    }


# --- gaps

INSTEAD = {  # by a gap's reason, what is answered to those who do not heed it
    "keras.layers.LSTM takes both initial states or neither": "takes both initial states or neither",
    "keras.layers.LSTM fails on no steps: it reads step 0 of x before its loop": "slice index 0 of dim",
    "keras.layers.LSTM fails on an empty batch: keras.ops.add takes its (0, 4H) summand for a bias": "LSTMCell.call",
    "TensorFlow gives None, not zeros, as the gradient of what no step has used": "got None",
    "GradientTape.jacobian (pfor) fails on an empty batch: it makes gradients of the weights of another shape": (
        r"Tensor's shape \(1, 0, 4, 16, 0\) is not compatible|Graph execution error"
    ),
}


@pytest.mark.parametrize(
    "opening", [pytest.param(o, id=o.id) for b in (tensorflow_backend, loop_backend) for o in openings(b)]
)
def test_every_gap_is_one(opening: Opening) -> None:
    assert_open(opening, INSTEAD)


def test_every_gap_is_asked_for() -> None:
    asked = {o.gap.reason for b in (tensorflow_backend, loop_backend) for o in openings(b)}
    assert asked == set(INSTEAD)


# --- live layers


def layer(**options: Any) -> Any:
    return keras.layers.LSTM(4, dtype="float64", **options)


def built(one: Any, batch: int | None = None) -> Any:
    one.build((batch, None, 3))
    return one


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (layer, "the layer is not built, so it has no weights yet"),
        (lambda: built(layer(dropout=0.5)), r"dropout=0\.5; it should be 0\.0: gradients under a random mask"),
        (lambda: built(layer(stateful=True), 2), "stateful=True; it should be False"),
        (lambda: built(layer(go_backwards=True)), "go_backwards=True; it should be False: only inside"),
        (lambda: built(layer(activation="relu")), "activation=relu; the LSTM of the spec has tanh"),
        (
            lambda: built(keras.layers.Bidirectional(layer(), merge_mode="sum", dtype="float64")),
            "merge_mode='sum'; it should be 'concat'",
        ),
    ],
    ids=["not built", "dropout", "stateful", "backwards", "activation", "merge mode"],
)
def test_a_layer_that_is_not_the_specs_lstm_is_refused(make: Any, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        tensorflow_backend.adopt(make())


@pytest.mark.parametrize("value", [len, None, "layer"])
def test_what_is_no_keras_layer_is_not_ours(value: object) -> None:
    assert tensorflow_backend.adopt(value) is None


def test_another_keras_layer_is_not_ours() -> None:
    assert tensorflow_backend.adopt(keras.layers.GRU(4)) is None

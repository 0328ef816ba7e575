"""The bundled backends `tensorflow` and `tensorflow-loop`: evidence of what ran and where, gaps, refusals, answers."""

from __future__ import annotations

import dataclasses
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

from gradassay_tensorflow import _framework, _lstm, _modes, loop_backend, tensorflow_backend  # noqa: E402

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
        return dataclasses.replace(traced, operations=0)

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


# --- variants: a switch turned, and the proof that it was


def test_keras_in_training_is_right_and_named() -> None:
    found = ask(alone(tensorflow_backend, "training", "float64"), "ragged", "values", "gradients", "jvp", "hvp")
    assert {(v.outcome, v.ran["training"]) for v in found} == {("passed", "yes")}


def test_keras_in_training_goes_both_ways() -> None:
    """`Bidirectional` copies the layer that it is given."""
    records = verify(
        ["tensorflow/training/float64"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["two-layers-bidirectional"],
        properties=["gradients"],
        objects=[tensorflow_backend],
        cache=False,
    )
    assert {v.outcome for v in records if isinstance(v, Verdict)} == {"passed"}


def test_keras_in_inference_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    call = keras.layers.LSTM.__call__

    def inferring(self: Any, *arguments: Any, training: bool, **options: Any) -> Any:
        return call(self, *arguments, training=False, **options)

    monkeypatch.setattr(_lstm.Watched, "__call__", inferring)
    reason = why(ask(alone(tensorflow_backend, "training", "float64"), "plain", "values", "gradients"))
    assert reason == fell_back("training", "training=yes", training="no")


def test_an_unrolled_graph_has_no_loop_and_another_has() -> None:
    asked = ("plain", "values", "gradients")
    unrolled = ask(alone(tensorflow_backend, "unrolled", "float64"), *asked)
    graph = ask(alone(tensorflow_backend, "graph", "float64"), *asked)
    assert {(v.outcome, v.ran["loops"]) for v in unrolled} == {("passed", "0")}
    assert {v.outcome for v in graph} == {"passed"} and min(int(v.ran["loops"]) for v in graph) >= 1


def test_an_unrolled_graph_with_a_loop_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = keras.layers.LSTM

    def rolled(*arguments: Any, unroll: bool, **options: Any) -> Any:
        return layer(*arguments, **options)

    monkeypatch.setattr(keras.layers, "LSTM", rolled)
    reason = why(ask(alone(tensorflow_backend, "unrolled", "float64"), "plain", "values"))
    assert reason == fell_back("unrolled", "loops=0", loops="1")


def test_keras_unrolled_backwards_zeroes_the_wrong_steps() -> None:
    """Why the backend zeroes the padding itself there; once this fails, it need not any more."""
    options = {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True, "dtype": "float64"}
    loop, unrolled = keras.layers.LSTM(1, **options), keras.layers.LSTM(1, unroll=True, **options)
    for one in (loop, unrolled):
        one.build((1, 4, 1))
    unrolled.set_weights(loop.get_weights())
    x, mask = tf.constant([[[1.0], [2.0], [3.0], [4.0]]], tf.float64), tf.constant([[True, True, False, False]])
    right, wrong = (one(x, mask=mask).numpy()[0, :, 0] for one in (loop, unrolled))
    assert (right[:2] == 0).all() and (right[2:] != 0).all()  # backwards, padding comes first
    assert (wrong == 0).all()  # zeroed at the steps that are padding forwards; at the others it was 0 before


def test_unrolled_ragged_layers_go_both_ways() -> None:
    records = verify(
        ["tensorflow/unrolled/float64"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["ragged"],
        properties=["values", "gradients"],
        objects=[tensorflow_backend],
        cache=False,
    )
    assert {v.outcome for v in records if isinstance(v, Verdict)} == {"passed"}


def test_steps_are_computed_again() -> None:
    found = ask(alone(loop_backend, "checkpoint", "float64"), "ragged", "values", "gradients", "jacobian")
    assert {v.outcome for v in found} == {"passed"}
    ran = {v.property: v.ran for v in found}
    assert (ran["gradients"]["steps"], ran["gradients"]["steps_again"]) == ("3", "3")


def test_a_checkpoint_that_keeps_everything_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf, "recompute_grad", lambda body: body)
    reason = why(ask(alone(loop_backend, "checkpoint", "float64"), "plain", "gradients"))
    assert reason == fell_back("checkpoint", "checkpointed=yes", checkpointed="no")


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
    "TensorFlow gives None, not zeros, as the gradient of what no step has used": "got None|checkpointed=no",
    "GradientTape.jacobian (pfor) fails on an empty batch: it makes gradients of the weights of another shape": (
        r"Tensor's shape \(1, 0, 4, 16, 0\) is not compatible|Graph execution error"
    ),
    "tf.recompute_grad has no forward mode, and no second derivative": "recompute_grad tried to transpose grad",
    "there is no step to checkpoint": "the evidence should be checkpointed=yes, but is checkpointed=no",
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
    assert tensorflow_backend.adopt(keras.layers.Dense(4)) is None

"""A live Keras LSTM, GRU or SimpleRNN, or a `Bidirectional` of two, as a model with its own weights and code."""

from __future__ import annotations

from typing import Any

import keras

from gradassay._backend import Unsupported
from gradassay._spec import Tensors
from gradassay._target import DTYPES
from gradassay_tensorflow import _lstm, _recurrent
from gradassay_tensorflow._framework import configure, device_of, to_array
from gradassay_tensorflow._lstm import variables
from gradassay_tensorflow._model import TensorFlowModel
from gradassay_tensorflow._modes import Execution

_SPECS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn_tanh"}

_RETURNS = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
_SHOULD_BE: dict[str, tuple[bool | float, str]] = {
    "go_backwards": (False, "only inside keras.layers.Bidirectional is the backward direction defined"),
    "stateful": (False, "a call's result would depend on the calls before it"),
    "dropout": (0.0, "gradients under a random mask are not comparable; take a layer without"),
    "recurrent_dropout": (0.0, "gradients under a random mask are not comparable; take a layer without"),
}


def adopt(layer: object) -> tuple[str, Any, Tensors, TensorFlowModel] | None:
    """Return (spec, config, canonical parameters, model) of a live layer; None if it is none of these.

    The layer itself is called when it returns sequences and states, with zeros on padding. One that
    does not is left as it is: a copy of its class that does is called, around the layer's own cells.

    Raises:
        Unsupported: if the layer is not built, or not what the spec has; the message says why.
    """
    parts = [layer.forward_layer, layer.backward_layer] if isinstance(layer, keras.layers.Bidirectional) else [layer]
    kind = next((n for n in _SPECS if all(isinstance(part, getattr(keras.layers, n)) for part in parts)), "")
    if not kind:
        return None
    whole: Any = layer  # Keras publishes no types
    if not whole.built:
        raise Unsupported("the layer is not built, so it has no weights yet; call it once, or its build(shape)")
    _refuse(whole, parts, kind)
    configure()
    whole = _returning_all(layer)
    held = variables([whole])
    config = _config(kind, parts, int(held["kernel_l0"].shape[0]))
    layout = _lstm.LAYOUT if kind == "LSTM" else _recurrent.layout(config)
    function = (_lstm if kind == "LSTM" else _recurrent).differentiable([whole])
    parameters = layout.inverse({name: to_array(variable) for name, variable in held.items()})
    execution = Execution("eager", device_of(held["kernel_l0"]), whole.compute_dtype)
    words = ", the live layer" if whole is layer else ", the live cells in a copy that returns all"
    model = TensorFlowModel(function, layout, execution, _recurrent.kernel([whole]) + words)
    return _SPECS[kind], config, parameters, model


def _config(kind: str, parts: list[Any], input_size: int) -> Any:
    """Return the configuration of one layer, in one direction or two."""
    sizes = (input_size, parts[0].units, 1, len(parts) == 2, parts[0].use_bias)
    if kind == "LSTM":
        from gradassay_lstm import LSTM

        return LSTM(*sizes)
    if kind == "GRU":
        from gradassay_gru import GRU

        return GRU(*sizes, reset_after=parts[0].reset_after)
    from gradassay_rnn_tanh import RNN

    return RNN(*sizes)


def _refuse(layer: Any, parts: list[Any], kind: str) -> None:
    """Raise for what is not the spec's layer of this kind."""
    for part in (layer, *parts):
        if part.compute_dtype != part.variable_dtype or part.compute_dtype not in DTYPES:
            raise Unsupported(
                f"the layer computes in {part.compute_dtype} with weights in {part.variable_dtype}; "
                f"both should be the same, one of {', '.join(DTYPES)}"
            )
    if (mode := getattr(layer, "merge_mode", "concat")) != "concat":
        raise Unsupported(f"Bidirectional has merge_mode={mode!r}; it should be 'concat'")
    options = ["units", "use_bias", *(["reset_after"] if kind == "GRU" else [])]
    sides = [", ".join(f"{name}={getattr(part, name)}" for name in options) for part in parts]
    if len(set(sides)) > 1:
        raise Unsupported(f"the two directions differ: {' and '.join(sides)}")
    for position, part in enumerate(parts):
        gates = () if kind == "SimpleRNN" else (("recurrent_activation", "sigmoid"),)
        for name, should in (("activation", "tanh"), *gates):
            function = getattr(part, name)
            if function is not keras.activations.get(should):
                called = getattr(function, "__name__", function)
                raise Unsupported(f"the layer has {name}={called}; the {kind} of the spec has {should}")
        for name, (value, reason) in _SHOULD_BE.items():
            wanted = position == 1 if name == "go_backwards" else value
            if (has := getattr(part, name)) != wanted:
                raise Unsupported(f"the layer has {name}={has}; it should be {wanted}: {reason}")


def _returning_all(layer: Any) -> Any:
    """Return the layer if it returns everything, else a copy around its own cells that does."""
    if isinstance(layer, keras.layers.Bidirectional):
        halves = (layer.forward_layer, layer.backward_layer)
        if all(getattr(half, name) == value for half in halves for name, value in _RETURNS.items()):
            return layer
        forward, backward = (_copy(half) for half in halves)
        copied = type(layer)(forward, backward_layer=backward, merge_mode="concat", dtype=layer.dtype_policy)
        copied.forward_layer, copied.backward_layer = forward, backward
        copied.built = True
        return copied
    return layer if all(getattr(layer, name) == value for name, value in _RETURNS.items()) else _copy(layer)


def _copy(layer: Any) -> Any:
    copied = type(layer).from_config({**layer.get_config(), **_RETURNS})
    if hasattr(layer, "use_cudnn"):  # `SimpleRNN` has no such choice
        copied.use_cudnn = layer.use_cudnn
    copied.cell = layer.cell
    copied.built = True
    return copied

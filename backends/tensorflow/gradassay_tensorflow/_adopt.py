"""A live `keras.layers.LSTM`, or a `Bidirectional` of two, as a model with its own weights and its own code."""

from __future__ import annotations

from typing import Any

import keras

from gradassay._backend import Unsupported
from gradassay._spec import Tensors
from gradassay._target import DTYPES
from gradassay_lstm import LSTM
from gradassay_tensorflow._framework import configure, device_of, to_array
from gradassay_tensorflow._lstm import LAYOUT, differentiable, kernel, variables
from gradassay_tensorflow._model import TensorFlowModel
from gradassay_tensorflow._modes import Execution

_RETURNS = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
_SHOULD_BE: dict[str, tuple[bool | float, str]] = {
    "go_backwards": (False, "only inside keras.layers.Bidirectional is the backward direction defined"),
    "stateful": (False, "a call's result would depend on the calls before it"),
    "dropout": (0.0, "gradients under a random mask are not comparable; take a layer without"),
    "recurrent_dropout": (0.0, "gradients under a random mask are not comparable; take a layer without"),
}


def adopt(layer: object) -> tuple[str, LSTM, Tensors, TensorFlowModel] | None:
    """Return (spec, config, canonical parameters, model) of a live layer; None if it is no Keras LSTM.

    The layer itself is called when it returns sequences and states, with zeros on padding. One that
    does not is left as it is: a copy of its class that does is called, around the layer's own cells.

    Raises:
        Unsupported: if the layer is not built, or not the LSTM of the spec; the message says why.
    """
    if not isinstance(layer, keras.layers.LSTM | keras.layers.Bidirectional):
        return None
    parts = [layer.forward_layer, layer.backward_layer] if isinstance(layer, keras.layers.Bidirectional) else [layer]
    if not all(isinstance(part, keras.layers.LSTM) for part in parts):
        return None
    if not layer.built:
        raise Unsupported("the layer is not built, so it has no weights yet; call it once, or its build(shape)")
    _refuse(layer, parts)
    configure()
    whole = _returning_all(layer)
    held = variables([whole])
    parameters = LAYOUT.inverse({name: to_array(variable) for name, variable in held.items()})
    kernel_shape = held["kernel_l0"].shape
    config = LSTM(
        input_size=int(kernel_shape[0]),
        hidden_size=int(kernel_shape[1]) // 4,
        bidirectional=len(parts) == 2,
        bias="bias_l0" in held,
    )
    execution = Execution("eager", device_of(held["kernel_l0"]), layer.compute_dtype)
    words = kernel([whole]) + (", the live layer" if whole is layer else ", the live cells in a copy that returns all")
    return "lstm", config, parameters, TensorFlowModel(differentiable([whole]), LAYOUT, execution, words)


def _refuse(layer: Any, parts: list[Any]) -> None:
    """Raise for what is not the spec's LSTM."""
    for part in (layer, *parts):
        if part.compute_dtype != part.variable_dtype or part.compute_dtype not in DTYPES:
            raise Unsupported(
                f"the layer computes in {part.compute_dtype} with weights in {part.variable_dtype}; "
                f"both should be the same, one of {', '.join(DTYPES)}"
            )
    if (mode := getattr(layer, "merge_mode", "concat")) != "concat":
        raise Unsupported(f"Bidirectional has merge_mode={mode!r}; it should be 'concat'")
    if len({(part.units, part.use_bias) for part in parts}) > 1:
        found = " and ".join(f"units={part.units}, use_bias={part.use_bias}" for part in parts)
        raise Unsupported(f"the two directions differ: {found}")
    for position, part in enumerate(parts):
        for name, should in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
            function = getattr(part, name)
            if function is not keras.activations.get(should):
                called = getattr(function, "__name__", function)
                raise Unsupported(f"the layer has {name}={called}; the LSTM of the spec has {should}")
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
    copied.use_cudnn = layer.use_cudnn
    copied.cell = layer.cell
    copied.built = True
    return copied

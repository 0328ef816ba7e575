"""`keras.layers.GRU` and `SimpleRNN`: layers with one state, stacked, in `Bidirectional`, with a mask for lengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradassay._spec import Tensors
from gradassay_gru import GRU
from gradassay_gru import layouts as gru_layouts
from gradassay_rnn_tanh import Layout, Recurrent
from gradassay_rnn_tanh import layouts as rnn_layouts
from gradassay_tensorflow import _lstm
from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import Tensor, to_tensor
from gradassay_tensorflow._lstm import cells, variables
from gradassay_tensorflow._program import Built

Layer = Any  # keras.layers.GRU or SimpleRNN, or keras.layers.Bidirectional of one
Kind = Callable[..., Layer]


def layout(config: Recurrent) -> Layout:
    """Return how Keras keeps the parameters of such a layer."""
    return gru_layouts(config.reset_after)["keras"] if isinstance(config, GRU) else rnn_layouts["keras"]


def built(kind: Kind, config: Recurrent, parameters: Tensors, dtype: str, options: Mapping[str, Any]) -> Built:
    """Return a stack of layers of a kind with `parameters` on the current device, as one function to y and h_n."""
    layers = [_layer(kind, config, number, dtype, options) for number in range(config.num_layers)]
    arrays = layout(config).forward(parameters)
    for name, variable in variables(layers).items():
        variable.assign(to_tensor(arrays[name]))
    return Built(differentiable(layers), layout(config), kernel(layers))


def differentiable(layers: Sequence[Layer]) -> Differentiable:
    """Return a stack of built layers, each returning sequences and states, as one function."""
    return Differentiable(lambda inputs: _stack(layers, inputs), variables(layers))


def kernel(layers: Sequence[Layer]) -> str:
    """Return what Keras computes these layers with; `SimpleRNN` has one way alone."""
    return _lstm.kernel(layers) if hasattr(cells(layers[0])[0], "implementation") else "keras loop"


def _layer(kind: Kind, config: Recurrent, number: int, dtype: str, options: Mapping[str, Any]) -> Layer:
    layer = kind(
        config.hidden_size,
        use_bias=config.bias,
        return_sequences=True,
        return_state=True,
        # The default, orthogonal, has no bfloat16; these weights are replaced anyhow.
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        dtype=dtype,
        **options,
    )
    sides = [layer]
    if config.bidirectional:
        layer = keras.layers.Bidirectional(layer, merge_mode="concat", dtype=dtype)
        sides = [layer.forward_layer, layer.backward_layer]
    for side in sides:
        side.zero_output_for_mask = True
    layer.build((None, None, config.layer_input_size(number)))
    return layer


def _stack(layers: Sequence[Layer], inputs: Named) -> dict[str, Tensor]:
    """Return y (B,T,D*H) and h_n (L*D,B,H)."""
    y = inputs["x"]
    mask = tf.sequence_mask(inputs["lengths"], y.shape[1]) if "lengths" in inputs else None
    given = tf.unstack(inputs["h0"]) if "h0" in inputs else []
    h_n: list[Tensor] = []
    for layer in layers:
        states = given[len(h_n) : len(h_n) + len(cells(layer))]
        y, *last = layer(y, initial_state=states or None, mask=mask)
        h_n += last
    return {"y": y, "h_n": tf.stack(h_n)}

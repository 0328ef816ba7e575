"""`keras.layers.LSTM` on TensorFlow: stacked, in `Bidirectional` for two directions, with a mask for ragged lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from gradassay._backend import Unsupported
from gradassay._spec import Tensors
from gradassay_lstm import LSTM, layouts
from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import Tensor, Variable, to_tensor

Layer = Any  # keras.layers.LSTM or keras.layers.Bidirectional of it
LAYOUT = layouts["keras"]


@keras.saving.register_keras_serializable("gradassay")  # `Bidirectional` copies a layer by what it would save
class Watched(keras.layers.LSTM):  # type: ignore[misc]  # Keras publishes no types
    """Keras' own layer, which notes whether it is called for training."""

    seen: bool | None = None

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        Watched.seen = training
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)


def trained() -> dict[str, str]:
    """Say whether the latest call of a `Watched` layer was for training, and forget it."""
    seen, Watched.seen = Watched.seen, None
    return {"training": {None: "not called", True: "yes", False: "no"}[seen]}


def lstm(
    config: LSTM, parameters: Tensors, dtype: str, compiled: bool, training: bool = False, unroll: bool = False
) -> tuple[Differentiable, str]:
    """Return the stack of layers with `parameters` on the current device, and what computes it.

    Args:
        config: the sizes; Keras has no projection.
        parameters: canonical.
        dtype: of weights, states and computations alike.
        compiled: XLA compiles no cuDNN operation, so there Keras is told to use its loop.
        training: call the layers as in training, not as in inference.
        unroll: let Keras write out its loop, step by step.
    """
    kind = partial(Watched if training else keras.layers.LSTM, unroll=unroll)
    layers = [_layer(kind, config, number, dtype, compiled) for number in range(config.num_layers)]
    arrays = LAYOUT.forward(parameters)
    for name, variable in variables(layers).items():
        variable.assign(to_tensor(arrays[name]))
    return differentiable(layers, training, zeroed=unroll), kernel(layers)


def differentiable(layers: Sequence[Layer], training: bool = False, zeroed: bool = False) -> Differentiable:
    """Return a stack of built layers, each returning sequences and states, as one function; `zeroed`: y on padding."""
    return Differentiable(lambda inputs: _stack(layers, inputs, training, zeroed), variables(layers))


def kernel(layers: Sequence[Layer]) -> str:
    """Return what Keras computes these layers with. It marks those that it gives to cuDNN as unfit for XLA."""
    if all(layer.supports_jit for layer in map(_forward_layer, layers)):
        return f"keras loop, implementation {cells(layers[0])[0].implementation}"
    return "cuDNN"


def cells(layer: Layer) -> list[Any]:
    """Return a layer's LSTM cells, a cell a direction."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer.cell, layer.backward_layer.cell]
    return [layer.cell]


def variables(layers: Sequence[Layer]) -> dict[str, Variable]:
    """Return the layers' variables under the layout's names: 'kernel_l0', 'recurrent_l1_reverse'."""
    found: dict[str, Variable] = {}
    for number, layer in enumerate(layers):
        for cell, direction in zip(cells(layer), ("", "_reverse"), strict=False):
            suffix = f"_l{number}{direction}"
            found |= {f"kernel{suffix}": cell.kernel.value, f"recurrent{suffix}": cell.recurrent_kernel.value}
            if cell.use_bias:
                found[f"bias{suffix}"] = cell.bias.value
    return found


def _layer(kind: Callable[..., Layer], config: LSTM, number: int, dtype: str, compiled: bool) -> Layer:
    layer = kind(
        config.hidden_size,
        use_bias=config.bias,
        return_sequences=True,
        return_state=True,
        # The default, orthogonal, has no bfloat16; these weights are replaced anyhow.
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        use_cudnn=False if compiled else "auto",
        dtype=dtype,
    )
    sides = [layer]
    if config.bidirectional:
        layer = keras.layers.Bidirectional(layer, merge_mode="concat", dtype=dtype)
        sides = [layer.forward_layer, layer.backward_layer]
    for side in sides:  # afterwards, since `Bidirectional` insists on True
        # Unrolled, Keras 3.15 zeroes y of a backward layer at the wrong steps: then `_stack` zeroes the padding.
        side.zero_output_for_mask = not side.unroll
    layer.build((None, None, config.layer_input_size(number)))
    return layer


def _forward_layer(layer: Layer) -> Layer:
    return getattr(layer, "forward_layer", layer)


def _stack(layers: Sequence[Layer], inputs: Named, training: bool, zeroed: bool) -> dict[str, Tensor]:
    """Return y (B,T,D*H), h_n (L*D,B,H), c_n (L*D,B,H)."""
    if ("h0" in inputs) != ("c0" in inputs):
        raise Unsupported("keras.layers.LSTM takes both initial states or neither")
    y = inputs["x"]
    mask = tf.sequence_mask(inputs["lengths"], y.shape[1]) if "lengths" in inputs else None
    pairs = list(zip(tf.unstack(inputs["h0"]), tf.unstack(inputs["c0"]), strict=True)) if "h0" in inputs else []
    h_n: list[Tensor] = []
    c_n: list[Tensor] = []
    for number, layer in enumerate(layers):
        here = pairs[len(h_n) : len(h_n) + len(cells(layer))]
        states = [state for pair in here for state in pair] or None
        y, *last = layer(y, initial_state=states, mask=mask, training=training)
        if zeroed and mask is not None:
            y = tf.where(mask[..., None], y, tf.zeros_like(y))
        h_n += last[::2]
        c_n += last[1::2]
        if (dropout := inputs.get(f"dropout_mask_l{number}")) is not None:
            y = y * dropout
    return {"y": y, "h_n": tf.stack(h_n), "c_n": tf.stack(c_n)}

"""`keras.layers.LSTM`, `keras.layers.Dense` on its last state, and `keras.losses.SparseCategoricalCrossentropy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_classifier import Classifier
    from gradassay_tensorflow._derivatives import Named

HEAD = ("head_weight", "head_bias")


def build(config: Classifier, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `logits` (B, C) and `loss` (): Keras' layers with these parameters."""
    import keras
    import tensorflow as tf

    from gradassay_tensorflow import _lstm
    from gradassay_tensorflow._convention import AsNamed, Joined
    from gradassay_tensorflow._derivatives import Differentiable
    from gradassay_tensorflow._framework import to_tensor

    own = {name: array for name, array in parameters.items() if name not in HEAD}
    layers, kernel = _lstm.lstm(config.lstm, own, dtype, compiled)
    dense = keras.layers.Dense(config.classes, kernel_initializer="zeros", dtype=dtype)
    dense.build((None, config.lstm.output_size))
    convention = Joined(lambda name: name in HEAD, AsNamed("head_weight"), _lstm.LAYOUT)
    variables = {"head_weight": dense.kernel.value, "head_bias": dense.bias.value}
    arrays = convention.forward({name: parameters[name] for name in HEAD})
    for name, variable in variables.items():
        variable.assign(to_tensor(arrays[name]))
    # A loss of Keras' computes in float32, whatever it is given, unless it is told another dtype.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)

    def classifier(inputs: Named) -> Named:
        states = layers.call({name: tensor for name, tensor in inputs.items() if name != "labels"})["h_n"]
        logits = dense(tf.concat(tf.unstack(states[-config.lstm.directions :]), axis=-1))
        return {"logits": logits, "loss": loss(inputs["labels"], logits)}

    return Built(Differentiable(classifier, {**layers.variables, **variables}), convention, kernel)


program = Program(
    offers(
        "classifier",
        Gap("keras.layers.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        Gap(
            "keras.layers.LSTM fails on no steps: it reads step 0 of x before its loop",
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES - {"no_batch", "projection"},
    ),
    build,
)

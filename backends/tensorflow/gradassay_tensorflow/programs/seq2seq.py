"""`keras.layers.Embedding`, `LSTM` and `Dense`, and `keras.losses.SparseCategoricalCrossentropy` of logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_seq2seq._features import FEATURES, INSTEAD
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_seq2seq import Seq2Seq
    from gradassay_tensorflow._derivatives import Named

OWN = frozenset({"table", "weight_out", "bias_out"})
IGNORED = -100  # where nothing else is ignored, for what lies beyond a row's length


def build(config: Seq2Seq, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `logits` (B,T,C) and `loss` (), and how its variables hold the parameters."""
    import keras
    import tensorflow as tf

    from gradassay_tensorflow import _lstm
    from gradassay_tensorflow._convention import AsNamed, Joined
    from gradassay_tensorflow._derivatives import Differentiable
    from gradassay_tensorflow._framework import to_tensor

    inside = {name: array for name, array in parameters.items() if name not in OWN}
    layers, kernel = _lstm.lstm(config.lstm, inside, dtype, compiled)
    embedding = keras.layers.Embedding(config.vocabulary, config.lstm.input_size, dtype=dtype)
    embedding.build(None)
    dense = keras.layers.Dense(config.classes, dtype=dtype)
    dense.build((None, None, config.lstm.output_size))
    variables = {
        "table": embedding.embeddings.value,
        "weight_out": dense.kernel.value,
        "bias_out": dense.bias.value,
    }
    convention = Joined(OWN.__contains__, AsNamed("weight_out"), _lstm.LAYOUT)
    arrays = convention.forward(parameters)
    for name, variable in variables.items():
        variable.assign(to_tensor(arrays[name]))
    ignored = IGNORED if config.ignore_index is None else config.ignore_index
    # A Keras loss computes in float32, whatever it is given, unless it is told another dtype.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored, dtype=dtype)

    def seq2seq(inputs: Named) -> Named:
        tokens, targets = inputs["tokens"], inputs["targets"]
        embedded = embedding(tokens)
        if config.padding_index is not None:  # Keras' mask_zero masks the step, and trains the row
            constant = (tokens == config.padding_index)[..., None]
            embedded = tf.where(constant, tf.stop_gradient(embedded), embedded)
        if "shift" in inputs:
            embedded = embedded + inputs["shift"]
        given = {name: tensor for name, tensor in inputs.items() if name in ("h0", "c0", "lengths")}
        logits = dense(layers.call({"x": embedded, **given})["y"])
        if "lengths" in inputs:
            within = tf.sequence_mask(inputs["lengths"], targets.shape[1])
            targets = tf.where(within, targets, tf.constant(ignored, targets.dtype))
        return {"logits": logits, "loss": loss(targets, logits)}

    return Built(Differentiable(seq2seq, {**layers.variables, **variables}), convention, kernel)


program = Program(
    offers(
        "seq2seq",
        Gap("keras.layers.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        Gap(
            "Keras' losses round integer labels to their own dtype: in bfloat16 class 257 is taken for 256 "
            "(reports/findings/keras-integer-labels.md)",
            dtypes=frozenset({"bfloat16"}),
            features=frozenset({"many_classes"}),
        ),
        features=FEATURES - {"projection"},
    ),
    build,
    instead=INSTEAD,
)

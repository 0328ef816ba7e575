"""`keras.layers.LSTM` under `keras.losses.MeanSquaredError` with `sample_weight`, by three of its reductions.

Its values are means over the last axis, one a step: "sum" adds up these. What is to be weighed element by element, or
to be summed, is given to it with one more axis, and is then its own mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_tensorflow._derivatives import Named
    from gradassay_weighted_loss import WeightedLoss

# Keras' word, by ours.
REDUCTIONS = {"sum": "sum", "mean": "sum_over_batch_size", "weighted mean": "mean_with_sample_weight"}
OWN = frozenset({"sum", "mean", "weighted_mean", "step_weights", "row_weights"})


def build(config: WeightedLoss, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `loss` (): Keras' layers with these parameters, and its loss in their dtype."""
    import keras
    import tensorflow as tf

    from gradassay_tensorflow import _lstm
    from gradassay_tensorflow._derivatives import Differentiable

    layers, kernel = _lstm.lstm(config.lstm, parameters, dtype, compiled)
    # A loss of Keras' computes in float32, whatever it is given, unless it is told another dtype.
    error = keras.losses.MeanSquaredError(reduction=REDUCTIONS[config.reduction], dtype=dtype)
    as_it_is = config.weights == "step" and config.reduction != "sum"

    def loss(inputs: Named) -> Named:
        given = {name: tensor for name, tensor in inputs.items() if name not in ("target", "weights")}
        # A tensor of its own: Keras ties a mask to y, and leaves the padding out of its means.
        y, target, weights = tf.identity(layers.call(given)["y"]), inputs["target"], inputs["weights"]
        if as_it_is:
            return {"loss": error(target, y, sample_weight=weights)}
        wide = weights
        while len(wide.shape) < len(y.shape):
            wide = wide[..., None]
        # Repeated here: Keras would sum the weights as they are given.
        wide = tf.broadcast_to(wide, tf.shape(y))
        return {"loss": error(target[..., None], y[..., None], sample_weight=wide)}

    return Built(Differentiable(loss, layers.variables), _lstm.LAYOUT, kernel)


program = Program(
    offers(
        "weighted_loss",
        Gap("keras.layers.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        features=(FEATURES - {"no_batch", "no_steps", "projection"}) | OWN,
    ),
    build,
)

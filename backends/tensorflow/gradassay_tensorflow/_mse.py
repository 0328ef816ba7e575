"""The mean-squared error on top of an LSTM: a scalar out, and the target is differentiated too.

`keras.losses.MeanSquaredError` is no substitute for it: it takes the mask that Keras ties to y and
leaves the padding out of its mean, where the spec's mean is over all elements.
"""

from __future__ import annotations

import tensorflow as tf

from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import Tensor


def mean_squared_error(function: Differentiable) -> Differentiable:
    """Return inputs and "target" (B,T,D*state) -> "loss" (), the mean of (y - target)^2."""

    def loss(inputs: Named) -> dict[str, Tensor]:
        y = function.call({name: tensor for name, tensor in inputs.items() if name != "target"})["y"]
        return {"loss": tf.reduce_mean(tf.square(y - inputs["target"]))}

    return Differentiable(loss, function.variables)

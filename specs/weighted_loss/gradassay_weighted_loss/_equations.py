"""loss = sum of w (y - target)^2, over 1, the count of elements or the sum of weights; y by the LSTM's equations."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from gradassay import Ops
from gradassay_lstm import Call
from gradassay_lstm._equations import equations as lstm_equations
from gradassay_weighted_loss._config import WeightedLoss


def equations(ops: Ops, config: WeightedLoss, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"loss": a scalar}. The padding of a ragged call counts, with its weights: y is 0 there."""
    y = lstm_equations(ops, config.lstm, call, tensors)["y"]
    difference = ops.mark("difference", y - tensors["target"])
    squared = ops.mark("squared", difference * difference)
    weights = ops.mark("weights", tensors["weights"])
    weighted = ops.mark("weighted", beside(ops, weights, y.shape) * squared)
    total = ops.mark("total", ops.sum(weighted))
    if config.reduction == "sum":
        return {"loss": ops.mark("loss", total)}
    if config.reduction == "mean":
        divisor = ops.constant(float(prod(y.shape)))
    else:
        # Each weight stands for as many elements as share it.
        divisor = ops.sum(weights) * float(prod(y.shape) / prod(weights.shape))
    # A division, not a product by a reciprocal: that would be rounded, and this is the truth.
    return {"loss": ops.mark("loss", ops.divide(total, ops.mark("divisor", divisor)))}


def beside(ops: Ops, weights: Any, shape: tuple[int, ...]) -> Any:
    """Give weights the rank of y (B, T, D*state), to be repeated along the axes that they do not have."""
    for _ in range(len(shape) - len(weights.shape)):
        weights = ops.stack([weights], axis=-1)
    return weights

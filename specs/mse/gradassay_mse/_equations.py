"""loss = mean over every element of (y - target)^2, with y from the LSTM's own equations."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from gradassay._ops import Ops, Value
from gradassay_lstm import LSTM, Call
from gradassay_lstm._equations import equations as lstm_equations


def equations(ops: Ops, config: LSTM, call: Call, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Return {"loss": a scalar}. The padding of a ragged call counts: y is 0 there, the target need not be."""
    y = lstm_equations(ops, config, call, tensors)["y"]
    difference = ops.mark("difference", y - tensors["target"])
    total = ops.sum(difference * difference)
    # A division, not a product by 1 / count: the reciprocal would be rounded, and this is the truth.
    return {"loss": ops.mark("loss", ops.divide(total, ops.constant(float(prod(y.shape)))))}

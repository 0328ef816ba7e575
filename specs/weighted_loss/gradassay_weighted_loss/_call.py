"""Calls are the LSTM's: neither the target nor the weights decide anything of it."""

from __future__ import annotations

from gradassay._spec import Tensors
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_weighted_loss._config import WeightedLoss


def call_of(config: WeightedLoss, tensors: Tensors) -> Call:
    """Return the call that these given tensors make, as the LSTM has it.

    Raises:
        ValueError: if the lengths do not fit `x`.
    """
    return lstm.call_of(config.lstm, tensors)


def vary(config: WeightedLoss, call: Call) -> Call:
    """Return a call of one row and one step more, with the same features."""
    return lstm.vary(config.lstm, call)

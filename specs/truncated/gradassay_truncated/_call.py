"""Calls from tensors, and calls from calls: the LSTM's."""

from __future__ import annotations

from gradassay._spec import Tensors
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_truncated._config import Truncated


def call_of(config: Truncated, tensors: Tensors) -> Call:
    """Return the call that these given tensors make."""
    return lstm.call_of(config.lstm, tensors)


def vary(config: Truncated, call: Call) -> Call:
    """Return a call of one row and one step more."""
    return lstm.vary(config.lstm, call)

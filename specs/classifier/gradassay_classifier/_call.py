"""Calls are the LSTM's: what is classified is a batch of sequences."""

from __future__ import annotations

from gradassay._spec import Tensors
from gradassay_classifier._config import Classifier
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm


def call_of(config: Classifier, tensors: Tensors) -> Call:
    """Return the call that these given tensors make, as the LSTM has it: the labels decide nothing of it.

    Raises:
        ValueError: if the lengths do not fit `x`.
    """
    return lstm.call_of(config.lstm, tensors)


def vary(config: Classifier, call: Call) -> Call:
    """Return a call of one row and one step more, with the same features."""
    return lstm.vary(config.lstm, call)

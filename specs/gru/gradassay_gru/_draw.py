"""Data by regime: those of the LSTM, with the update gate in the place of the forget gate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradassay._spec import Array, Tensor
from gradassay._words import Floats, Words
from gradassay_gru._config import GRU, Call
from gradassay_gru._tensors import GATES, tensors
from gradassay_lstm._draw import REGIMES, Edit
from gradassay_rnn_tanh import _draw as recurrent


def draw(config: GRU, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every input, state, index and parameter of a call by name: float64, and int64 for an index.

    Raises:
        ValueError: if there is no such regime.
    """
    return recurrent.drawn(tensors(config, call), config, call, EDITS, regime, words)


def shifted(tensor: Tensor, value: Floats, gate: str, shift: float) -> Floats:
    """Shift one gate's bias. Without a bias there is nothing to shift."""
    if not tensor.name.startswith("bias_ih"):
        return value
    gates = value.reshape(len(GATES), -1)
    return (gates + np.where(np.array(GATES) == gate, shift, 0.0)[:, None]).reshape(value.shape)


def _memory(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """z near 1: the state is kept, and gradients live long. Nearer, and bfloat16 has no digits of 1 - z."""
    return shifted(tensor, value, "z", 3.0)


def _forgetful(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """z near 0: the state is the candidate."""
    return shifted(tensor, value, "z", -6.0)


def _underflow(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Data down to float32's subnormals, and nothing carried."""
    return shifted(tensor, recurrent.underflow(tensor, value, words), "z", -12.0)


EDITS: Mapping[str, Edit] = {**REGIMES, "memory": _memory, "forgetful": _forgetful, "underflow": _underflow}

regimes: tuple[str, ...] = tuple(EDITS)

"""Data by regime: those of the LSTM, for a cell with other gates or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from gradassay._spec import Array, Tensor
from gradassay._words import Floats, Words
from gradassay_lstm._draw import REGIMES, Edit, by_powers
from gradassay_rnn_tanh._config import RNN, Call, Recurrent
from gradassay_rnn_tanh._tensors import tensors


def draw(config: RNN, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every input, state, index and parameter of a call by name: float64, and int64 for an index.

    Raises:
        ValueError: if there is no such regime.
    """
    return drawn(tensors(config, call), config, call, EDITS, regime, words)


def drawn(
    table: Sequence[Tensor], config: Recurrent, call: Call, edits: Mapping[str, Edit], regime: str, words: Words
) -> dict[str, Array]:
    """Return the same for a table of tensors, with what each of some regimes does to them.

    Raises:
        ValueError: if there is no such regime.
    """
    if regime not in edits:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(edits)}")
    made: dict[str, Array] = {}
    for tensor in table:
        stream = words.branch(tensor.name)
        if tensor.role == "index":
            made[tensor.name] = np.array(call.lengths, dtype=np.int64)
        elif tensor.role != "output":
            value = stream.normal(tensor.shape)
            if tensor.role == "parameter":
                value = stream.uniform(tensor.shape) / sqrt(config.hidden_size)  # as torch initialises
            made[tensor.name] = edits[regime](tensor, value, stream.branch("regime"))
    return made


def underflow(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Data down to float32's subnormals, and nothing carried: gradients leave float32's range within ten steps."""
    if tensor.name.startswith("weight_hh"):
        return value * 2.0**-12
    return by_powers(tensor, value, words, (-16, -60, -126, -140))


# A cell without gates has none to hold open or shut.
EDITS: Mapping[str, Edit] = {
    name: underflow if name == "underflow" else edit
    for name, edit in REGIMES.items()
    if name not in ("memory", "forgetful")
}

regimes: tuple[str, ...] = tuple(EDITS)

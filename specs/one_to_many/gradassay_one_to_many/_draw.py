"""The LSTM's data by regime, one step of its inputs among them; a linear layer, and a shift of zeros."""

from __future__ import annotations

from math import sqrt

import numpy as np

from gradassay._spec import Array
from gradassay._words import Words
from gradassay_lstm import spec as lstm
from gradassay_one_to_many._config import Call, OneToMany

regimes: tuple[str, ...] = (*lstm.regimes, "shifted")


def draw(config: OneToMany, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every tensor that goes in, by name: float64.

    Raises:
        ValueError: if there is no such regime.
    """
    if regime not in regimes:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    inside = regime if regime in lstm.regimes else "unit"
    drawn = lstm.draw(config.lstm, call.lstm(1), inside, words.branch("lstm"))
    drawn["x"] = drawn["x"][:, 0]
    if call.shift:
        shape = call.batch, config.steps, config.lstm.input_size
        drawn["shift"] = words.branch("shift").normal(shape) * 0.5 if regime == "shifted" else np.zeros(shape)
    width = config.lstm.output_size
    drawn["weight_out"] = words.branch("weight_out").uniform((config.outputs, width)) / sqrt(width)
    drawn["bias_out"] = words.branch("bias_out").uniform((config.outputs,)) / sqrt(width)
    return drawn

"""The LSTM's data by regime, labels, and a linear map; and two regimes in which exp of the logits overflows."""

from __future__ import annotations

from math import sqrt

import numpy as np

from gradassay._spec import Array
from gradassay._words import Words
from gradassay_classifier._config import Classifier
from gradassay_classifier._tensors import tensors
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm

OFFSET = 1024.0  # added to every logit: exp of it is beyond float64
SHARP = 2048.0  # times the linear map: logits of thousands, and differences as large

_OWN = ("offset", "sharp")
regimes: tuple[str, ...] = (*lstm.regimes, *_OWN)


def draw(config: Classifier, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every input and parameter by name: float64, and int64 for labels and lengths.

    The linear map is uniform within ±1/sqrt(D*S), as torch initialises; the LSTM's own data in this spec's own
    regimes are those of `unit`.

    Raises:
        ValueError: if there is no such regime, or the call has no rows.
    """
    if regime not in regimes:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    below = lstm.draw(config.lstm, call, "unit" if regime in _OWN else regime, words)
    width = sqrt(config.lstm.output_size)
    drawn: dict[str, Array] = {}
    for tensor in tensors(config, call):
        stream = words.branch(tensor.name)
        if tensor.name in below:
            drawn[tensor.name] = below[tensor.name]
        elif tensor.name == "labels":
            drawn["labels"] = _labels(call.batch, config.classes, stream)
        elif tensor.name == "head_weight":
            drawn["head_weight"] = stream.uniform(tensor.shape) / width * (SHARP if regime == "sharp" else 1.0)
        elif tensor.name == "head_bias":
            drawn["head_bias"] = stream.uniform(tensor.shape) / width + (OFFSET if regime == "offset" else 0.0)
    return drawn


def _labels(rows: int, classes: int, words: Words) -> Array:
    """Labels (B,) from 0 to C-1: neighbouring rows have different ones, so that no mistake meets all rows alike."""
    first = int(words.integers((), classes))
    steps = 1 + words.integers((rows,), classes - 1)
    return np.asarray((first + np.cumsum(steps)) % classes, dtype=np.int64)

"""The LSTM's data by regime."""

from __future__ import annotations

from gradassay._spec import Array
from gradassay._words import Words
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_truncated._config import Truncated
from gradassay_truncated._tensors import tensors


def draw(config: Truncated, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return the LSTM's own draw.

    Raises:
        ValueError: if there is no such regime, or the call is one that is refused.
    """
    tensors(config, call)
    return lstm.draw(config.lstm, call, regime, words)

"""The LSTM's data by regime, and a target within the range of its outputs."""

from __future__ import annotations

from gradassay._spec import Array
from gradassay._words import Words
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm
from gradassay_mse._tensors import tensors


def draw(config: LSTM, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return the LSTM's own draw and `target`, uniform in (-1, 1) in every regime: float64.

    Raises:
        ValueError: if there is no such regime, or the call has no elements.
    """
    target = next(tensor for tensor in tensors(config, call) if tensor.name == "target")
    drawn = lstm.draw(config, call, regime, words)
    return drawn | {"target": words.branch("target").uniform(target.shape)}

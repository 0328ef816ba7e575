"""The LSTM's data by regime, a target within the range of its outputs, and weights of which some are exactly zero."""

from __future__ import annotations

import numpy as np

from gradassay._spec import Array, Tensor
from gradassay._words import Words
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_weighted_loss._config import WeightedLoss
from gradassay_weighted_loss._tensors import tensors

ZERO_IN = 4  # one weight in so many is exactly zero
POWERS = 6  # "uneven" weights are scaled by 2^-6 to 2^6

_OWN = ("masked", "uneven")
regimes: tuple[str, ...] = (*lstm.regimes, *_OWN)


def draw(config: WeightedLoss, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return the LSTM's own draw, `target` in (-1, 1), and `weights`: 0 or from 1/4 to 7/4, their sum above 0.

    The LSTM's own data in this spec's own regimes are those of `unit`. In `masked`, weights are zero on the padding of
    a ragged call and nowhere else; in `uneven` they are scaled by powers of two.

    Raises:
        ValueError: if there is no such regime, or the call has no elements.
    """
    if regime not in regimes:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    table = {tensor.name: tensor for tensor in tensors(config, call)}
    drawn = lstm.draw(config.lstm, call, "unit" if regime in _OWN else regime, words)
    target = words.branch("target").uniform(table["target"].shape)
    return drawn | {"target": target, "weights": _weights(table["weights"], call, regime, words.branch("weights"))}


def _weights(tensor: Tensor, call: Call, regime: str, words: Words) -> Array:
    value = words.uniform(tensor.shape) * 0.75 + 1.0
    if regime == "masked" and call.lengths is not None and len(tensor.shape) > 1:
        valid = np.arange(call.steps)[None, :] < np.array(call.lengths)[:, None]
        return np.where(valid.reshape(valid.shape + (1,) * (len(tensor.shape) - 2)), value, 0.0)
    if regime == "uneven":
        value = value * 2.0 ** (words.branch("powers").integers(tensor.shape, 2 * POWERS + 1) - float(POWERS))
    zero = words.branch("zero").integers(tensor.shape, ZERO_IN) == 0
    # One place of every last axis keeps its weight, wandering with the row: no sum of weights is 0.
    place = np.arange(tensor.shape[-1])
    row = np.arange(int(np.prod(tensor.shape[:-1]))).reshape((*tensor.shape[:-1], 1))
    return np.where(zero & (place != row % tensor.shape[-1]), 0.0, value)

"""The LSTM's data by regime, a table drawn as its inputs are, tokens and targets, and a shift of zeros."""

from __future__ import annotations

from math import sqrt

import numpy as np

from gradassay._spec import Array
from gradassay._words import Words
from gradassay_lstm import Call as LSTMCall
from gradassay_lstm import spec as lstm
from gradassay_seq2seq._config import Call, Seq2Seq
from gradassay_seq2seq._features import BFLOAT16_COUNTS_TO

CONFIDENT = 1024.0  # times the weights of the linear layer: the exponential of a logit leaves float32
PADDED = 4  # one in so many tokens is padding, and one in so many targets to be ignored

regimes: tuple[str, ...] = (*lstm.regimes, "shifted", "confident")


def draw(config: Seq2Seq, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every tensor that goes in, by name: float64, and int64 for an index.

    Raises:
        ValueError: if there is no such regime.
    """
    if regime not in regimes:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    inside = regime if regime in lstm.regimes else "unit"
    drawn = lstm.draw(config.lstm, call.lstm, inside, words.branch("lstm"))
    rows = LSTMCall(1, config.vocabulary, h0=False, c0=False)  # a row of the table is what a step of x is there
    drawn["table"] = lstm.draw(config.lstm, rows, inside, words.branch("table"))["x"][0]
    drawn["tokens"] = _tokens(config, call, words.branch("tokens"))
    drawn["targets"] = _targets(config, call, words.branch("targets"))
    if call.shift:
        shape = call.batch, call.steps, config.lstm.input_size
        drawn["shift"] = words.branch("shift").normal(shape) * 0.5 if regime == "shifted" else np.zeros(shape)
    width = config.lstm.output_size
    scale = CONFIDENT if regime == "confident" else 1.0
    drawn["weight_out"] = words.branch("weight_out").uniform((config.classes, width)) / sqrt(width) * scale
    drawn["bias_out"] = words.branch("bias_out").uniform((config.classes,)) / sqrt(width)
    return {name: array for name, array in drawn.items() if name != "x"}


def _tokens(config: Seq2Seq, call: Call, words: Words) -> Array:
    """Draw tokens (B,T) of which one is absent, unless there is but one; no two of the first V - 1 rows begin alike."""
    others = max(config.vocabulary - 1, 1)
    tokens = words.integers((call.batch, call.steps), others)
    tokens[:, 0] = (tokens[0, 0] + np.arange(call.batch)) % others
    if config.vocabulary > 1:
        tokens += tokens >= words.integers((), config.vocabulary)
    if config.padding_index is not None:
        padded = words.branch("padding").integers(tokens.shape, PADDED) == 0
        padded[:, 0] = False
        tokens = np.where(padded, config.padding_index, tokens)
    return tokens


def _targets(config: Seq2Seq, call: Call, words: Words) -> Array:
    """Draw targets (B,T); some are to be ignored, but never the first of the longest row: of many classes it is 257."""
    targets = words.integers((call.batch, call.steps), config.classes)
    longest = int(np.argmax(call.lengths or (call.steps,)))
    if config.classes > BFLOAT16_COUNTS_TO + 1:
        targets[longest, 0] = BFLOAT16_COUNTS_TO + 1
    if config.ignore_index is None:
        return targets
    targets = np.where(targets == config.ignore_index, (targets + 1) % config.classes, targets)
    ignored = words.branch("ignored").integers(targets.shape, PADDED) == 0
    ignored[longest, 0] = False
    return np.where(ignored, config.ignore_index, targets)

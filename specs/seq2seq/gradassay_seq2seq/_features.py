"""What a configuration and a call ask of a backend, in words that offers use: the LSTM's, and four more.

Importing this imports nothing else: offers are read before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_lstm._features import FEATURES as LSTM_FEATURES
from gradassay_lstm._features import features as lstm_features

if TYPE_CHECKING:
    from gradassay_seq2seq._config import Call, Seq2Seq

_OWN = {"padding_index", "ignore_index", "no_shift", "many_classes"}
FEATURES = LSTM_FEATURES - {"dropout", "no_steps", "no_batch"} | _OWN

BFLOAT16_COUNTS_TO = 256  # the next integer, 257, is none of its numbers: labels that are rounded show it

# By the name of an input of integers: what whoever asks for its gradient should ask for in its place.
INSTEAD = {"tokens": "table (its rows) or shift (the embedded vectors)"}


def features(config: Seq2Seq, call: Call) -> frozenset[str]:
    """Return the features of one case: a subset of `FEATURES`."""
    asked = {
        "padding_index": config.padding_index is not None,
        "ignore_index": config.ignore_index is not None,
        "no_shift": not call.shift,
        "many_classes": config.classes > BFLOAT16_COUNTS_TO + 1,
    }
    return lstm_features(config.lstm, call.lstm) | {name for name, is_asked in asked.items() if is_asked}

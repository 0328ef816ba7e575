"""What a configuration and a call ask of a backend, in words that offers use: the LSTM's, and three more.

Importing this imports nothing else: offers are read before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_lstm._features import FEATURES as LSTM_FEATURES
from gradassay_lstm._features import features as lstm_features

if TYPE_CHECKING:
    from gradassay_one_to_many._config import Call, OneToMany

_WITHOUT = {"dropout", "ragged", "zero_length", "no_steps", "no_batch"}
FEATURES = LSTM_FEATURES - _WITHOUT | {"feedback", "feedback_projection", "no_shift"}


def features(config: OneToMany, call: Call) -> frozenset[str]:
    """Return the features of one case: a subset of `FEATURES`."""
    asked = {
        "feedback": config.feedback,
        "feedback_projection": config.feedback and config.lstm.projection > 0,
        "no_shift": not call.shift,
    }
    inside = lstm_features(config.lstm, call.lstm(config.steps))
    return inside | {name for name, is_asked in asked.items() if is_asked}

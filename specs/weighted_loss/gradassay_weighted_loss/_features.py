"""What a configuration and a call ask of a backend, in words that offers use: the LSTM's, and how a loss is made."""

from __future__ import annotations

from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_weighted_loss._config import WeightedLoss


def features(config: WeightedLoss, call: Call) -> frozenset[str]:
    """Return the LSTM's features of one case, its reduction, and "step_weights" or "row_weights" if they are so."""
    own = {config.reduction.replace(" ", "_")}
    if config.weights != "element":
        own.add(f"{config.weights}_weights")
    return lstm.features(config.lstm, call) | own

"""logits = W last + b, loss = mean over rows of logsumexp(logits) - logits[label], with `last` of the LSTM's equations.

Softmax is nowhere: its gradient is that of logsumexp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay import Ops
from gradassay_classifier._config import Classifier
from gradassay_lstm import Call
from gradassay_lstm._equations import equations as lstm_equations


def equations(ops: Ops, config: Classifier, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return logits (B,C) and loss ()."""
    h_n = lstm_equations(ops, config.lstm, call, tensors)["h_n"]
    first = (config.lstm.num_layers - 1) * config.lstm.directions
    own = [h_n[first + direction] for direction in range(config.lstm.directions)]
    last = ops.mark("last", ops.concatenate(own, axis=-1))

    weight = ops.mark("head_weight", tensors["head_weight"])
    bias = ops.mark("head_bias", tensors["head_bias"])
    # A logit is ONE reduction, bias included: so are its rounding errors.
    inputs = ops.concatenate([last, ops.constant(np.ones((call.batch, 1)))], axis=-1)
    weights = ops.concatenate([weight, ops.stack([bias], axis=-1)], axis=-1)
    logits = ops.mark("logits", inputs @ weights.T)

    scored = ops.mark("scored", logits)  # what the loss sees of the logits
    labels = ops.integers(tensors["labels"])
    normalizer = ops.mark("normalizer", ops.logsumexp(scored, axis=-1))
    picked = ops.mark("picked", ops.stack([scored[row, int(label)] for row, label in enumerate(labels)], axis=-1))
    losses = ops.mark("losses", normalizer - picked)
    # A division, not a product by 1 / B: the reciprocal would be rounded, and this is the truth.
    loss = ops.divide(ops.sum(losses), ops.constant(float(call.batch)))
    return {"logits": logits, "loss": ops.mark("loss", loss)}

"""A lookup, the LSTM's own equations, a linear map at every step, and the mean of -log softmax at the targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay import Ops
from gradassay_lstm._equations import equations as lstm_equations
from gradassay_seq2seq._config import Call, Seq2Seq
from gradassay_seq2seq._counted import counted


def equations(ops: Ops, config: Seq2Seq, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return logits (B,T,C) and loss (), from the canonical tensors."""
    x = _embedded(ops, config, call, tensors)
    y = lstm_equations(ops, config.lstm, call.lstm, {**tensors, "x": x})["y"]
    logits = ops.mark("logits", _linear(ops, call, tensors, y))
    return {"logits": logits, "loss": _loss(ops, config, call, logits, ops.integers(tensors["targets"]))}


def _embedded(ops: Ops, config: Seq2Seq, call: Call, tensors: Mapping[str, Any]) -> Any:
    """Return the embedded vectors (B,T,E): rows of the table, plus `shift`."""
    tokens = ops.integers(tensors["tokens"])
    rows = ops.mark("rows", ops.gather(ops.mark("table", tensors["table"]), tokens))
    if config.padding_index is not None:
        rows = ops.where((tokens == config.padding_index)[..., None], ops.stop(rows), rows)
    embedded = ops.mark("embedded", rows)
    return embedded + tensors["shift"] if call.shift else embedded


def _linear(ops: Ops, call: Call, tensors: Mapping[str, Any], y: Any) -> Any:
    """Return y W' + b at every step: (B,T,C). Products and bias are ONE reduction, as in the LSTM's gates."""
    bias = ops.stack([ops.mark("bias_out", tensors["bias_out"])], axis=-1)
    weights = ops.concatenate([ops.mark("weight_out", tensors["weight_out"]), bias], axis=-1).T
    one = ops.constant(np.ones((call.batch, 1)))
    return ops.stack([ops.concatenate([y[:, t], one], axis=-1) @ weights for t in range(call.steps)], axis=-2)


def _loss(ops: Ops, config: Seq2Seq, call: Call, logits: Any, targets: Any) -> Any:
    """Return the mean, over the steps that count, of log sum_k exp(z_k - z_target)."""
    live = counted(config, targets, call.lengths)
    chosen = np.arange(config.classes) == np.where(live, targets, 0)[..., None]
    scores = ops.mark("scores", logits)
    # The difference comes first: what a large logit has in common with the target's is not rounded into the loss.
    picked = ops.mark("picked", ops.sum(ops.where(chosen, scores, 0.0), axis=-1))
    each = ops.mark("step_loss", ops.logsumexp(scores - ops.stack([picked], axis=-1), axis=-1))
    total = ops.sum(ops.mark("masked", ops.where(live, each, 0.0)))
    return ops.mark("loss", ops.divide(total, ops.constant(float(live.sum()))))

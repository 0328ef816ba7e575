"""S. What is no fault: other ways to compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Edit, Where, at, seen
from gradassay_seq2seq.faults._planted import edited


def _product(r: Request) -> Edit:
    """Look up by a product with one-hot rows, as before there was a gather."""
    tokens = r.inputs["tokens"]
    hot = (tokens[..., None] == np.arange(r.config.vocabulary)).astype(np.float64)

    def edit(tape: Any, value: Any, where: Where) -> Any:
        table = seen(tape, "table", where)
        return tape.stack([tape.constant(row) @ table for row in hot], axis=-3)

    return edit


def _picked_last(tape: Any, value: Any, where: Where) -> Any:
    """Return log-softmax first, over all classes, and the target's share of it last."""
    return tape.logsumexp(seen(tape, "scores", where), axis=-1) - seen(tape, "picked", where)


benign = (
    Fault("one-hot-product", "rows are looked up by a product with one-hot vectors", "none known",
          wrap=edited("rows", _product)),
    Fault("target-subtracted-last", "the step's loss is log-sum-exp of the logits, less the target's", "none known",
          edits=at("step_loss", _picked_last)),
    Fault("sums-one-by-one", "sums run from the first term to the last", "none known",
          wrap=instead(lambda r: r.make(r.model.summing("sequential")))),
)  # fmt: skip

"""B. The loss: which steps it sees, against which targets, divided by what."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before
from gradassay_lstm.faults._at_marks import Where, at, seen
from gradassay_seq2seq.faults._planted import edited, live, scaled

RAGGED = frozenset({"ragged"})
IGNORED = frozenset({"ignore_index"})


def _shifted(r: Request) -> None:
    """Predict the step after: the mistake, or the habit, of language models that shift once too often."""
    r.inputs["targets"] = np.roll(r.inputs["targets"], -1, axis=1)


def _softmax(tape: Any, value: Any, where: Where) -> Any:
    normaliser = tape.logsumexp(value, axis=-1)
    return tape.exp(value - tape.stack([normaliser], axis=-1))


def _naive(tape: Any, value: Any, where: Where) -> Any:
    summed = tape.sum(tape.exp(seen(tape, "scores", where)), axis=-1)
    return tape.log(summed) - seen(tape, "picked", where)


def _means_of_rows(r: Request) -> Any:
    """Return the weights (B, T) that make of the mean over steps a mean of the rows' means."""
    counts = live(r).sum(axis=1, keepdims=True)
    rows = (counts > 0).sum()
    return np.where(counts > 0, live(r).sum() / (rows * np.maximum(counts, 1)), 0.0) * np.ones(live(r).shape)


def _without_last(r: Request) -> Any:
    kept = np.ones(live(r).shape)
    kept[:, -1] = 0.0
    return kept


def _rounded(r: Request) -> None:
    """Let the targets pass through the dtype of the loss, as labels that are cast to that of the logits do."""
    dtype = r.model.parameters()["table"].dtype
    r.inputs["targets"] = r.inputs["targets"].astype(dtype).astype(np.int64)


faults = (
    Fault(
        "targets-rounded-to-the-dtype",
        "targets are cast to the dtype of the logits, and a class that this cannot count to is another one",
        "keras-team/keras#15012",
        ("bias_out",),
        wrap=before(_rounded),
        needs=frozenset({"many_classes"}),
        dtypes=frozenset({"bfloat16"}),
    ),
    Fault(
        "targets-shifted",
        "every step is held against the target of the next",
        "none known",
        ("loss",),
        wrap=before(_shifted),
        minimum={"step": 2},
    ),
    Fault(
        "mean-over-rows-sum-over-steps",
        "the loss is divided by the number of rows, and summed over steps",
        "none known",
        ("loss", "table"),
        wrap=edited("loss", scaled(lambda r: live(r).sum() / live(r).shape[0])),
        minimum={"step": 2},
    ),
    Fault(
        "sum-for-mean",
        "the loss is summed over steps and rows, and not divided",
        "none known",
        ("loss", "table"),
        wrap=edited("loss", scaled(lambda r: live(r).sum())),
        minimum={"step": 2},
    ),
    Fault(
        "divided-by-all-steps",
        "the loss is divided by all steps, those of the padding and those ignored among them",
        "none known",
        ("loss",),
        wrap=edited("loss", scaled(lambda r: live(r).sum() / live(r).size)),
        needs=RAGGED,
    ),
    Fault(
        "ignored-steps-in-the-divisor",
        "a step that is ignored adds nothing to the sum, and one to its divisor",
        "PaddlePaddle/Paddle#76033",
        ("loss",),
        wrap=edited("loss", scaled(lambda r: live(r).sum() / live(r).size)),
        needs=IGNORED,
    ),
    Fault(
        "mean-of-rows-means",
        "each row's loss is divided by its own steps, and the mean taken over rows",
        "none known",
        ("loss",),
        wrap=edited("step_loss", scaled(_means_of_rows)),
        needs=RAGGED,
    ),
    Fault(
        "padding-carries-loss",
        "steps beyond a row's length carry loss",
        "none known",
        ("loss",),
        edits=at("masked", lambda tape, value, where: seen(tape, "step_loss", where)),
        needs=RAGGED,
    ),
    Fault(
        "last-step-left-out",
        "the last step carries no loss, and is counted",
        "none known",
        ("loss",),
        wrap=edited("step_loss", scaled(_without_last)),
    ),
    Fault(
        "softmax-twice",
        "the cross-entropy is taken of probabilities, as if they were logits",
        "none known",
        ("loss", "table"),
        edits=at("scores", _softmax),
    ),
    Fault(
        "exponential-overflows",
        "log-softmax is the logarithm of a sum of exponentials that nobody has shifted",
        "none known",
        ("loss",),
        edits=at("step_loss", _naive),
        dtypes=frozenset({"float32", "bfloat16", "float16"}),
    ),
    Fault(
        "logits-detached",
        "the loss sees the logits as constants",
        "none known",
        ("table",),
        edits=at("scores", lambda tape, value, where: tape.stop(value)),
    ),
)

"""B. From logits to a loss: softmax, labels, means, and what is a constant to the derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before
from gradassay_lstm.faults._at_marks import Where, at, derivative, stop


def mark(tape: Any, name: str) -> Any:
    """Return what this mark had, which stands once."""
    return next(iter(tape.marks[name].values()))


def _exponentials_first(tape: Any, value: Any, where: Where) -> Any:
    """log(sum(exp(z))), with nothing taken off before: beyond range for z = 1000."""
    return tape.log(tape.sum(tape.exp(mark(tape, "scored")), axis=-1))


def _softmax(tape: Any, value: Any, where: Where) -> Any:
    return tape.exp(value - tape.stack([tape.logsumexp(value, axis=-1)], axis=-1))


def _clipped(tape: Any, value: Any, where: Where) -> Any:
    """-log(p + 1e-7), of probabilities that were rounded before."""
    return -tape.log(tape.exp(-value) + 1e-7)


def _smoothed(tape: Any, value: Any, where: Where) -> Any:
    """Nine tenths of the label's logit, and a tenth of the mean of all."""
    scored = mark(tape, "scored")
    mean = tape.divide(tape.sum(scored, axis=-1), tape.constant(float(scored.shape[-1])))
    return value * 0.9 + mean * 0.1


def _by_classes(tape: Any, value: Any, where: Where) -> Any:
    return tape.divide(value, tape.constant(float(mark(tape, "scored").shape[-1])))


def _summed(tape: Any, value: Any, where: Where) -> Any:
    return value * float(mark(tape, "scored").shape[0])


def _binary(tape: Any, value: Any, where: Where) -> Any:
    """A yes or no for each class: softplus summed over the classes, less the label's logit."""
    scored = mark(tape, "scored")
    zeros = tape.constant(np.zeros(scored.shape))
    pairs = tape.stack([scored, zeros], axis=-1)
    return tape.sum(tape.logsumexp(pairs, axis=-1), axis=-1)


def _next_label(r: Request) -> None:
    r.inputs["labels"] = (r.inputs["labels"] + 1) % r.config.classes


def _first_labels(r: Request) -> None:
    """Keep the labels of the first call of a shape, as a traced function does with what it took for a constant."""
    r.inputs["labels"] = r.memory.setdefault(r.shape, r.inputs["labels"])


faults = (
    Fault(
        "softmax-overflows",
        "the normalizer is log(sum(exp(z))) as it is written: infinite for large logits",
        "none known",
        ("loss",),
        edits=at("normalizer", _exponentials_first),
    ),
    Fault(
        "softmax-twice",
        "the loss is given probabilities and takes them for logits",
        "none known",
        ("loss", "head_bias"),
        edits=at("scored", _softmax),
    ),
    Fault(
        "sum-for-mean",
        "the loss is the sum over the rows, not their mean",
        "none known",
        ("loss",),
        edits=at("loss", _summed),
        minimum={"row": 2},
    ),
    Fault(
        "mean-over-classes-too",
        "the loss is divided by the number of classes as well",
        "none known",
        ("loss",),
        edits=at("loss", _by_classes),
    ),
    Fault(
        "labels-off-by-one",
        "labels count from 1 where they should from 0",
        "none known",
        ("loss", "head_bias"),
        wrap=before(_next_label),
    ),
    Fault(
        "labels-of-an-earlier-call",
        "the labels of the first call of a shape are kept for all that follow",
        "none known",
        wrap=before(_first_labels),
        minimum={"row": 2},
        seen_by=frozenset({"row_permutation"}),
    ),
    Fault(
        "logits-detached",
        "the loss sees the logits as constants: its gradient is zero, that of the logits is right",
        "none known",
        ("head_weight", "head_bias"),
        edits=at("scored", stop),
    ),
    Fault(
        "one-hot-missing-in-gradient",
        "the gradient with respect to the logits is softmax, not softmax less one-hot",
        "none known",
        ("head_bias",),
        edits=at("picked", stop),
    ),
    Fault(
        "probabilities-clipped",
        "the loss is -log(p + 1e-7)",
        "none known",
        ("loss",),
        edits=at("losses", _clipped),
    ),
    Fault(
        "label-smoothing-left-on",
        "a tenth of each label is spread over all classes",
        "none known",
        ("loss",),
        edits=at("picked", _smoothed),
    ),
    Fault(
        "binary-cross-entropy",
        "each class is a question of its own, by a sigmoid, not one among others, by a softmax",
        "none known",
        ("loss", "head_bias"),
        edits=at("normalizer", _binary),
    ),
    Fault(
        "head-bias-gradient-of-one-row",
        "the gradient of the linear map's bias is divided by the number of rows once more",
        "none known",
        ("head_bias",),
        edits=at("head_bias", derivative(lambda t, v, w: t.divide(v, t.constant(float(mark(t, "last").shape[0]))))),
        minimum={"row": 2},
    ),
)


def _picked_by_product(tape: Any, value: Any, where: Where) -> Any:
    """Return sum_c z_c e_c, with e the one-hot label: which one that is, is read off the value picked."""
    scored = mark(tape, "scored")
    raw, chosen = (v.value.primal if hasattr(v.value, "primal") else v.value for v in (scored, value))
    hot = np.asarray(raw == np.asarray(chosen)[..., None], dtype=np.float64)[0, 0]
    hot = hot * (np.cumsum(hot, axis=-1) == 1)
    return tape.sum(scored * tape.constant(hot), axis=-1)


def _log_softmax(tape: Any, value: Any, where: Where) -> Any:
    """Return log(sum(exp(z - m))) - (z_label - m), where m is the largest logit."""
    scored = mark(tape, "scored")
    peak = tape.constant(tape._roughly(scored).max(axis=-1))
    shifted = scored - tape.stack([peak], axis=-1)
    return tape.log(tape.sum(tape.exp(shifted), axis=-1)) - (mark(tape, "picked") - peak)


benign = (
    Fault(
        "label-picked-by-product",
        "the label's logit is the product with a one-hot vector",
        "none known",
        edits=at("picked", _picked_by_product),
    ),
    Fault(
        "log-softmax-first",
        "logarithms of probabilities are made for all classes, and one of them picked",
        "none known",
        edits=at("losses", _log_softmax),
    ),
)

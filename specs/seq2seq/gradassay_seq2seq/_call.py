"""Calls from tensors, and calls from calls."""

from __future__ import annotations

import msgspec
import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_lstm import spec as lstm
from gradassay_seq2seq._config import Call, Seq2Seq
from gradassay_seq2seq._counted import counted


def call_of(config: Seq2Seq, tensors: Tensors) -> Call:
    """Return the call that these given tensors make: sizes from `tokens` (B, T), options from which ones are there.

    Raises:
        ValueError: if a token or a target is none, the lengths do not fit, or no step carries loss.
    """
    tokens, targets = tensors["tokens"], tensors["targets"]
    batch, steps = tokens.shape
    lengths = tuple(int(length) for length in tensors["lengths"]) if "lengths" in tensors else None
    call = Call(batch, steps, lengths, h0="h0" in tensors, c0="c0" in tensors, shift="shift" in tensors)
    _within("tokens", tokens, config.vocabulary, None)
    _within("targets", targets, config.classes, config.ignore_index)
    if targets.shape == tokens.shape and not counted(config, targets, lengths).any():
        raise ValueError(f"every target is {config.ignore_index}, which is ignored: a mean over no steps")
    return call


def _within(name: str, array: Array, count: int, also: int | None) -> None:
    wrong = (array < 0) | (array >= count)
    if also is not None:
        wrong &= array != also
    if wrong.any():
        row, step = (int(i) for i in np.argwhere(wrong)[0])
        alternative = "" if also is None else f", or {also} to be ignored"
        raise ValueError(
            f"{name} has {array[row, step]} at row {row}, step {step}; "
            f"each should be from 0 to {count - 1}{alternative}"
        )


def vary(config: Seq2Seq, call: Call) -> Call:
    """Return a call of one row and one step more, with the same features."""
    inside = lstm.vary(config.lstm, call.lstm)
    return msgspec.structs.replace(call, batch=inside.batch, steps=inside.steps, lengths=inside.lengths)

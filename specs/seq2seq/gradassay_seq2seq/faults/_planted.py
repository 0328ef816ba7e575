"""Edits that know the tokens and targets of the call in which they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradassay_lstm.faults._around import Request, Wrap, instead
from gradassay_lstm.faults._at_marks import Edit, Where, at
from gradassay_seq2seq._counted import counted


def edited(mark: str, make: Callable[[Request], Edit]) -> Wrap:
    """Return a fault of the equations that is made anew for each call, from what goes into it."""
    return instead(lambda r: r.make(r.model.planted(at(mark, make(r))(r.roundoff))))


def live(r: Request) -> Any:
    """Return which steps carry loss: (B, T)."""
    return counted(r.config, r.inputs["targets"], r.inputs.get("lengths"))


def scaled(factor: Callable[[Request], Any]) -> Callable[[Request], Edit]:
    """Multiply a value, and with it its derivative."""

    def make(r: Request) -> Edit:
        by = factor(r)

        def edit(tape: Any, value: Any, where: Where) -> Any:
            return value * (tape.constant(by) if isinstance(by, np.ndarray) else float(by))

        return edit

    return make


def last_places(tokens: Any) -> Any:
    """Return (B, T): True where a token comes for the last time, row by row."""
    flat = tokens.ravel()
    later = {int(token): place for place, token in enumerate(flat)}
    return np.isin(np.arange(flat.size), list(later.values())).reshape(tokens.shape)


def occurrences(tokens: Any) -> Any:
    """Return (B, T): how often the token at a place comes in all."""
    return np.bincount(tokens.ravel())[tokens].astype(np.float64)

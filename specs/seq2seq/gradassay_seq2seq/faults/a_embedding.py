"""A. The lookup and its adjoint: which rows, which places, how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, before, instead
from gradassay_lstm.faults._at_marks import Edit, Where, at, seen
from gradassay_seq2seq.faults._planted import edited, last_places, occurrences

PADDING = frozenset({"padding_index"})


def _kept(r: Request, passes: Any) -> Edit:
    """Let the derivative pass at some places (B, T) alone."""

    def edit(tape: Any, value: Any, where: Where) -> Any:
        return tape.where(passes[..., None], value, tape.stop(value))

    return edit


def _by_frequency(r: Request) -> Edit:
    share = 1.0 / occurrences(r.inputs["tokens"])[..., None]
    return lambda tape, value, where: tape.splice(value, value * tape.constant(share))


def _learned(tape: Any, value: Any, where: Where) -> Any:
    return seen(tape, "rows", where)


def _next_token(r: Request) -> None:
    r.inputs["tokens"] = (r.inputs["tokens"] + 1) % r.config.vocabulary


def _answered(answer: Any) -> Any:
    """Answer for the gradient of integers."""

    def call(r: Request) -> None:
        asked, r.wrt = r.wrt, tuple(name for name in r.wrt if name not in ("tokens", "targets"))
        r.make()
        dtype = r.model.parameters()["table"].dtype
        r.gradients |= {n: answer(r.inputs[n], dtype) for n in asked if n not in r.wrt}

    return instead(call, "vjp")


def _tied(r: Request) -> None:
    """Give the table and the output layer, where they are of one shape, the gradient of both."""
    table, out = r.gradients.get("table"), r.gradients.get("weight_out")
    if table is not None and out is not None and table.shape == out.shape:
        r.gradients |= {"table": table + out, "weight_out": table + out}


faults = (
    Fault(
        "last-place-wins",
        "the gradient of a row is that of its token's last place: assigned, where it should be added",
        "pytorch/pytorch#1528",
        ("table",),
        wrap=edited("embedded", lambda r: _kept(r, last_places(r.inputs["tokens"]))),
    ),
    Fault(
        "divided-by-frequency",
        "the gradient of a row is the mean over its token's places, as with scale_grad_by_freq",
        "none known",
        ("table",),
        wrap=edited("embedded", _by_frequency),
    ),
    Fault(
        "token-0-taken-for-padding",
        "the row of token 0 has a gradient of 0, though nobody said that it is padding",
        "none known",
        ("table",),
        wrap=edited("embedded", lambda r: _kept(r, r.inputs["tokens"] != 0)),
    ),
    Fault(
        "padding-row-learned",
        "the row of the padding has a gradient, where it is a constant",
        "none known",
        ("table",),
        edits=at("embedded", _learned),
        needs=PADDING,
    ),
    Fault(
        "padding-row-zero-in-value",
        "the row of the padding is taken to be 0, where it is a constant of any value",
        "none known",
        ("logits",),
        wrap=edited(
            "embedded",
            lambda r: lambda t, v, w: t.where((r.inputs["tokens"] == r.config.padding_index)[..., None], 0.0, v),
        ),
        needs=PADDING,
    ),
    Fault(
        "off-by-one-token",
        "every token takes the row of the next one",
        "none known",
        ("logits", "table"),
        wrap=before(_next_token),
        minimum={"token": 2},
    ),
    Fault(
        "table-detached",
        "the table is a constant to the derivative",
        "none known",
        ("table",),
        edits=at("embedded", lambda tape, value, where: tape.stop(value)),
    ),
    Fault(
        "table-tied-to-output",
        "a table and an output layer of one shape are taken for one parameter, and have the gradient of both",
        "none known",
        wrap=after(_tied),
    ),
    Fault(
        "zeros-for-integers",
        "the gradient with respect to tokens is an array of zeros, where it should be refused",
        "none known",
        ("tokens",),
        wrap=_answered(lambda tokens, dtype: np.zeros(tokens.shape, dtype)),
        seen_by=frozenset({"refused"}),
    ),
    Fault(
        "none-for-integers",
        "the gradient with respect to tokens is None without a word, where it should be refused",
        "none known",
        ("tokens",),
        wrap=_answered(lambda tokens, dtype: None),
        seen_by=frozenset({"refused"}),
    ),
)

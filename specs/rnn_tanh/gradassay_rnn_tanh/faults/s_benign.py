"""S. What is no fault: other ways to compute the same, which no property may accuse."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Where, at
from gradassay_rnn_tanh.faults.c_parameters import affine


def _two_products(tape: Any, drive: Any, where: Where) -> Any:
    """(W x) + (U h) + b_ih + b_hh, each rounded before it is added, as frameworks do."""

    def same(value: Any) -> Any:
        return value

    return affine(tape, where, same, same, same, same)


def _backwards(r: Request) -> None:
    r.make(r.model.summing("reversed"))


benign = (
    Fault(
        "two-products",
        "W x and U h are products of their own, and the biases are added afterwards",
        "none known",
        edits=at("drive", _two_products),
    ),
    Fault("sums-from-the-last", "sums run from the last term to the first", "none known", wrap=instead(_backwards)),
)

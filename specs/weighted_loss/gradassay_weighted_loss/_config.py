"""The sizes of an LSTM, what its squared errors are divided by, and what has a weight of its own."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from gradassay_lstm import LSTM

Reduction = Literal["sum", "mean", "weighted mean"]
Weights = Literal["element", "step", "row"]


class WeightedLoss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An LSTM under a weighted squared error.

    Args:
        reduction: "sum" of the weighted squares, their "mean" (over the count of elements), or their "weighted mean"
            (over the sum of the weights).
        weights: whether every element of y has a weight of its own, or every step, or every row.
    """

    lstm: LSTM
    reduction: Reduction = "mean"
    weights: Weights = "element"

    def __post_init__(self) -> None:
        for name, known in (("reduction", get_args(Reduction)), ("weights", get_args(Weights))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"WeightedLoss.{name} is {getattr(self, name)!r}; it should be one of {', '.join(map(repr, known))}"
                )

"""The sizes of a classifier: an LSTM, and how many classes are told apart."""

from __future__ import annotations

import msgspec

from gradassay_lstm import LSTM


class Classifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An LSTM and a linear map from its last output to `classes` logits, with a bias."""

    lstm: LSTM
    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(
                f"Classifier.classes is {self.classes}; it should be at least 2: "
                "of one class the cross-entropy is 0, whatever the logits"
            )

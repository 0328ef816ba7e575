"""Sizes of the model and of its vocabulary (`Seq2Seq`), and what changes between calls (`Call`)."""

from __future__ import annotations

import msgspec

from gradassay_lstm import LSTM
from gradassay_lstm import Call as LSTMCall


class Seq2Seq(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An embedding of width `lstm.input_size`, an LSTM, and a linear layer to `classes` at every step.

    Attributes:
        vocabulary: how many rows the table has.
        classes: how many logits a step has.
        padding_index: the token whose row of the table is a constant, as in `torch.nn.Embedding`; None: no such token.
        ignore_index: the target of a step that carries no loss; None: every step carries some.
    """

    lstm: LSTM
    vocabulary: int
    classes: int
    padding_index: int | None = None
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        if self.vocabulary < 1:
            raise ValueError(f"Seq2Seq.vocabulary is {self.vocabulary}; it should be at least 1")
        if self.classes < 2:
            raise ValueError(f"Seq2Seq.classes is {self.classes}; it should be at least 2: of one class the loss is 0")
        if self.padding_index is not None and not 0 <= self.padding_index < self.vocabulary:
            raise ValueError(
                f"Seq2Seq.padding_index is {self.padding_index}; it should be a token, from 0 to {self.vocabulary - 1}"
            )


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call: the LSTM's without dropout, and whether `shift` is given, whose gradient is the embedded vectors'."""

    batch: int
    steps: int
    lengths: tuple[int, ...] | None = None
    h0: bool = True
    c0: bool = True
    shift: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1 or self.steps < 1:
            raise ValueError(
                f"Call has batch={self.batch}, steps={self.steps}: a mean over no steps; both should be at least 1"
            )
        if not any(self.lstm.lengths or (self.steps,)):
            raise ValueError("Call.lengths are all 0: a mean over no steps; one should be at least 1")

    @property
    def lstm(self) -> LSTMCall:
        """The call of the LSTM inside."""
        return LSTMCall(self.batch, self.steps, self.lengths, h0=self.h0, c0=self.c0)

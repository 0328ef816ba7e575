"""Sizes of the model and how many steps it makes (`OneToMany`), and what changes between calls (`Call`)."""

from __future__ import annotations

import msgspec

from gradassay_lstm import LSTM
from gradassay_lstm import Call as LSTMCall


class OneToMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An LSTM and a linear layer to `outputs`, run for `steps` steps on one vector.

    Attributes:
        steps: how many outputs a row has.
        outputs: the width of one.
        feedback: each output is the next input; else the vector is repeated.
    """

    lstm: LSTM
    steps: int
    outputs: int
    feedback: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "outputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"OneToMany.{name} is {getattr(self, name)}; it should be at least 1")
        if self.feedback and self.lstm.bidirectional:
            raise ValueError(
                "OneToMany.feedback with two directions: the reverse one would begin with an output that is not there "
                "yet; lstm.bidirectional should be false"
            )
        if self.feedback and self.outputs != self.lstm.input_size:
            raise ValueError(
                f"OneToMany.outputs is {self.outputs}; with feedback an output is the next input, so it should be "
                f"lstm.input_size = {self.lstm.input_size}"
            )


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call: its rows, which states are given, and whether `shift` is, whose gradient is that of every input."""

    batch: int
    h0: bool = True
    c0: bool = True
    shift: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"Call.batch is {self.batch}; it should be at least 1")

    def lstm(self, steps: int) -> LSTMCall:
        """Return the call of the LSTM inside, for so many steps."""
        return LSTMCall(self.batch, steps, h0=self.h0, c0=self.c0)

"""An LSTM, how often it has a loss (`k1`), and how far that is pulled back (`k2`)."""

from __future__ import annotations

import msgspec

from gradassay_lstm import LSTM


class Truncated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TBPTT(k1, k2) of an LSTM in one direction.

    Args:
        lstm: the layers.
        k1: steps of a block: a loss sees k1 new steps at a time.
        k2: steps through which it is pulled back at most, k1 of its own and k2 - k1 before them. k1 = k2 is the plain
            'detach the carry every k steps'.
    """

    lstm: LSTM
    k1: int
    k2: int

    def __post_init__(self) -> None:
        if self.k1 < 1:
            raise ValueError(f"Truncated.k1 is {self.k1}; it should be at least 1")
        if self.k2 < self.k1:
            raise ValueError(
                f"Truncated.k2 is {self.k2}, k1 is {self.k1}; a loss of k1 steps is pulled back through these at least"
            )
        if self.lstm.bidirectional:
            raise ValueError(
                "Truncated.lstm is bidirectional; the reverse direction carries its state from the end of the "
                "sequence, which no window has seen yet: there is nothing to detach"
            )

"""What the LSTM promises of its Jacobians: rows are independent; in one direction, time runs one way."""

from __future__ import annotations

from gradassay import Structure
from gradassay_lstm._config import LSTM, Call


def structure(config: LSTM, call: Call) -> Structure:
    """Return the promises for one call.

    A reverse direction sees the end of the sequence first, so nothing is causal with one. Of a ragged call it is not
    said: cut short, it would have rows of length 0, which not everybody takes.
    """
    if config.bidirectional or call.lengths is not None:
        return Structure(rows="row")
    return Structure(rows="row", causal="step", carried={"h_n": "h0", "c_n": "c0"})

"""What layers with one state promise of their Jacobians: rows are independent; in one direction, time runs one way."""

from __future__ import annotations

from gradassay import Structure
from gradassay_rnn_tanh._config import Call, Recurrent


def structure(config: Recurrent, call: Call) -> Structure:
    """Return the promises for one call; as for the LSTM, fewer with a reverse direction or lengths."""
    if config.bidirectional or call.lengths is not None:
        return Structure(rows="row")
    return Structure(rows="row", causal="step", carried={"h_n": "h0"})

"""What is promised of the Jacobians of the logits: rows are independent; in one direction, time runs one way."""

from __future__ import annotations

from gradassay import Structure
from gradassay_seq2seq._config import Call, Seq2Seq


def structure(config: Seq2Seq, call: Call) -> Structure:
    """Return the promises for one call.

    Of calls whose first steps might be none that carries loss (ragged, or with targets to be ignored), it is not said
    that they can be cut short.
    """
    whole = config.lstm.bidirectional or call.lengths is not None or config.ignore_index is not None
    return Structure(rows="row") if whole else Structure(rows="row", causal="step")

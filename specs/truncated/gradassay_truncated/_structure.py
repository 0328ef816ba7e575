"""Rows are independent, and time runs one way: a call that ends earlier has the same windows up to there."""

from __future__ import annotations

from gradassay import Structure
from gradassay_lstm import Call
from gradassay_truncated._config import Truncated


def structure(config: Truncated, call: Call) -> Structure:
    """Return the promises for one call. Taken up again, a call would begin its windows anew: nothing is carried."""
    return Structure(rows="row", causal="step")

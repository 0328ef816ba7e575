"""The LSTM's features, and two of the windows."""

from __future__ import annotations

from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_truncated._config import Truncated
from gradassay_truncated._windows import windows


def features(config: Truncated, call: Call) -> frozenset[str]:
    """Return the features of one case: "cut" if any state is detached, "overlap" if steps are run more than once."""
    found = windows(config.k1, config.k2, call.steps)
    asked = {
        "cut": any(window.start for window in found),
        "overlap": any(window.cut < window.stop for window in found),
    }
    return lstm.features(config.lstm, call) | {name for name, is_asked in asked.items() if is_asked}

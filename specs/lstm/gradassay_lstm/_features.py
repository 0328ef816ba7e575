"""What a configuration and a call ask of a backend beyond one plain layer, in words that offers use.

Importing this imports nothing else: offers are read before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_lstm._config import LSTM, Call

FEATURES = frozenset(
    {
        "layers",
        "bidirectional",
        "no_bias",
        "projection",
        "dropout",
        "ragged",
        "zero_length",
        "absent_states",
        "partial_states",
        "no_steps",
        "no_batch",
    }
)


def features(config: LSTM, call: Call) -> frozenset[str]:
    """Return the features of one case: a subset of `FEATURES`, empty for a plain layer with both states given."""
    lengths = () if call.lengths is None else call.lengths
    asked = {
        "layers": config.num_layers > 1,
        "bidirectional": config.bidirectional,
        "no_bias": not config.bias,
        "projection": config.projection > 0,
        "dropout": call.dropout and config.num_layers > 1,
        "ragged": call.lengths is not None,
        "zero_length": 0 in lengths,
        "absent_states": not call.h0 and not call.c0,
        "partial_states": call.h0 != call.c0,
        "no_steps": call.steps == 0,
        "no_batch": call.batch == 0,
    }
    return frozenset(name for name, is_asked in asked.items() if is_asked)

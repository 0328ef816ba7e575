"""What a configuration and a call ask of a backend beyond one plain layer, in the LSTM's words.

Importing this imports nothing else: offers are read before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_rnn_tanh._config import Call, Recurrent

FEATURES = frozenset(
    {"layers", "bidirectional", "no_bias", "ragged", "zero_length", "absent_states", "no_steps", "no_batch"}
)


def features(config: Recurrent, call: Call) -> frozenset[str]:
    """Return the features of one case: a subset of `FEATURES`, empty for a plain layer with h0 given."""
    asked = {
        "layers": config.num_layers > 1,
        "bidirectional": config.bidirectional,
        "no_bias": not config.bias,
        "ragged": call.lengths is not None,
        "zero_length": 0 in (call.lengths or ()),
        "absent_states": not call.h0,
        "no_steps": call.steps == 0,
        "no_batch": call.batch == 0,
    }
    return frozenset(name for name, is_asked in asked.items() if is_asked)

"""What a configuration and a call ask of a backend beyond one plain layer whose reset gate comes after the product.

Importing this imports nothing of the GRU's: offers are read before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_rnn_tanh._features import FEATURES as RECURRENT
from gradassay_rnn_tanh._features import features as of_recurrent

if TYPE_CHECKING:
    from gradassay_gru._config import GRU, Call

FEATURES = RECURRENT | {"reset_before"}


def features(config: GRU, call: Call) -> frozenset[str]:
    """Return the features of one case: a subset of `FEATURES`."""
    return of_recurrent(config, call) | ({"reset_before"} if not config.reset_after else frozenset())

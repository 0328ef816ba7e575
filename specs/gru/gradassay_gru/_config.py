"""The sizes and options of a GRU; calls are those of any layer with one state."""

from __future__ import annotations

from gradassay_rnn_tanh._config import Call as Call
from gradassay_rnn_tanh._config import Recurrent


class GRU(Recurrent, frozen=True, forbid_unknown_fields=True):
    """A stack of GRU layers. `reset_after`: the reset gate acts on U h + b, after the product; else on h, before it."""

    reset_after: bool = True

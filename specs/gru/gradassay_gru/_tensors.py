"""The canonical tensors of a GRU: those of any layer with one state, parameters in three blocks of H rows: r, z, n."""

from __future__ import annotations

from gradassay._spec import Tensor
from gradassay_gru._config import GRU, Call
from gradassay_rnn_tanh._tensors import table

GATES = ("r", "z", "n")


def tensors(config: GRU, call: Call) -> tuple[Tensor, ...]:
    """Return what goes in and comes out of one call, in the order of the normative text."""
    return table(config, call, GATES)

"""Calls from tensors, and calls from calls."""

from __future__ import annotations

import msgspec

from gradassay._spec import Tensors
from gradassay_rnn_tanh._config import Call, Recurrent


def call_of(config: Recurrent, tensors: Tensors) -> Call:
    """Return the call that these given tensors make: sizes from `x` (B, T, N), options from which ones are there.

    Raises:
        ValueError: if the lengths do not fit `x`.
    """
    batch, steps, _ = tensors["x"].shape
    lengths = tuple(int(length) for length in tensors["lengths"]) if "lengths" in tensors else None
    return Call(batch, steps, lengths, h0="h0" in tensors)


def vary(config: Recurrent, call: Call) -> Call:
    """Return a call of one row and one step more, with the same features: none stays none.

    The new row is as long as a row can be. A call of no rows and no steps has no other: it comes back as it is.
    """
    batch = call.batch + 1 if call.batch else 0
    steps = call.steps + 1 if call.steps else 0
    lengths = None if call.lengths is None else (*call.lengths, *[steps] * (batch - call.batch))
    return msgspec.structs.replace(call, batch=batch, steps=steps, lengths=lengths)

"""Calls from tensors, and calls from calls."""

from __future__ import annotations

import msgspec

from gradassay._spec import Tensors
from gradassay_one_to_many._config import Call, OneToMany


def call_of(config: OneToMany, tensors: Tensors) -> Call:
    """Return the call that these given tensors make: rows from `x` (B, N), options from which tensors are there."""
    return Call(len(tensors["x"]), h0="h0" in tensors, c0="c0" in tensors, shift="shift" in tensors)


def vary(config: OneToMany, call: Call) -> Call:
    """Return a call of one row more, with the same features: the number of steps is the configuration's."""
    return msgspec.structs.replace(call, batch=call.batch + 1)

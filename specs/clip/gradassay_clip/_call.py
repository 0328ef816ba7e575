"""Calls from tensors, and calls from calls."""

from __future__ import annotations

from math import hypot

import numpy as np

from gradassay._spec import Tensors
from gradassay_clip._config import FAR, Call, Clip


def call_of(config: Clip, tensors: Tensors) -> Call:
    """Return the call that these given tensors make: absent is what is not there, zero if nothing is anything
    else, and far where the global norm is.
    """
    absent = tuple(number for number in range(len(config.shapes)) if f"g{number}" not in tensors)
    zero = not any(np.any(array) for array in tensors.values())
    size = hypot(*(float(element) for array in tensors.values() for element in array.ravel()))
    return Call(absent, zero, far=config.by == "norm" and size > FAR * config.limit)


def vary(config: Clip, call: Call) -> Call:
    """Return the call itself: the shapes of gradients are those of the parameters, and no call has others."""
    return call

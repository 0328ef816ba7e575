"""Lengths: which steps of which sample are live, and the order that reverses each sample within its own length."""

from __future__ import annotations

import numpy as np

from gradassay._spec import Array


def live_and_order(lengths: Array | None, steps: int, batch: int) -> tuple[Array, Array]:
    """Return `live` (T,B,1), False on the padding, and `order` (T,B), in which the padding stays where it is."""
    if lengths is None:
        lengths = np.full(batch, steps)
    time = np.arange(steps)[:, None]
    live = time < lengths[None, :]
    return live[..., None], np.where(live, lengths[None, :] - 1 - time, time)


def reverse(a: Array, order: Array) -> Array:
    """Reverse (..., T,B,n) in time, each sample within its own length: `order` (T,B) is its own inverse."""
    return np.take_along_axis(a, order.reshape((1,) * (a.ndim - 3) + (*order.shape, 1)), axis=-3)


def swap_time_and_batch(a: Array) -> Array:
    """(..., B,T,n) to (..., T,B,n), or back."""
    return np.swapaxes(a, -3, -2)

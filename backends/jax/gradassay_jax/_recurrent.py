"""Layers that carry one state on `lax.scan`, batch first: the GRU and Elman's network are made of a cell each."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from gradassay_jax._execution import Tally
from gradassay_jax._framework import Arrays
from gradassay_rnn_tanh import Recurrent

Step = Callable[[jax.Array, jax.Array], jax.Array]  # from h (B,H) and what x drives (B,·) to the next h
Cell = Callable[[Arrays], tuple[jax.Array, Step]]  # from x (T,B,N) and parameters, unsuffixed, to its drive and a step


def stacked(config: Recurrent, values: Arrays, tally: Tally, cell: Cell) -> dict[str, jax.Array]:
    """Return y (B,T,D·H) and h_n (L·D,B,H) for canonical tensors by name.

    A reverse direction is a reverse scan that passes its state over the padding.
    """
    x = jnp.swapaxes(values["x"], 0, 1)
    steps, batch, _ = x.shape
    h0 = values.get("h0", jnp.zeros((config.num_layers * config.directions, batch, config.hidden_size), x.dtype))
    live = None
    if "lengths" in values:
        live = (jnp.arange(steps)[:, None] < values["lengths"][None, :])[..., None]
        # Whatever stands on the padding must not reach a gate, where 0 * inf would be NaN in the gradient.
        x = jnp.where(live, x, 0)
    h_n, sides = list[jax.Array](), list[jax.Array]()
    for number, (_, direction, suffix) in enumerate(config.cells()):
        own = {name.removesuffix(suffix): value for name, value in values.items() if name.endswith(suffix)}
        drive, step = cell({**own, "x": x})
        h, y = _over_time(step, drive, h0[number], live, bool(direction), tally)
        h_n.append(h)
        sides.append(y)
        if len(sides) == config.directions:
            x = jnp.concatenate(sides, axis=-1)
            sides.clear()
    return {"y": jnp.swapaxes(x, 0, 1), "h_n": jnp.stack(h_n)}


def step_bodies(config: Recurrent, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    return int(values["x"].shape[1]) * config.num_layers * config.directions


def _over_time(
    step: Step, drive: jax.Array, h0: jax.Array, live: jax.Array | None, reverse: bool, tally: Tally
) -> tuple[jax.Array, jax.Array]:
    """Return h_n (B,H) and y (T,B,H); `live` (T,B,1) is False on the padding."""

    def body(h: jax.Array, now: tuple[jax.Array, jax.Array | None]) -> tuple[jax.Array, jax.Array]:
        tally.steps += 1
        driven, alive = now
        h_new = step(h, driven)
        return (h_new, h_new) if alive is None else (jnp.where(alive, h_new, h), jnp.where(alive, h_new, 0))

    found: tuple[jax.Array, jax.Array] = lax.scan(body, h0, (drive, live), reverse=reverse)
    return found

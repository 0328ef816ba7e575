"""The LSTM on `lax.scan` or another loop, batch first.

A reverse direction is a reverse scan that passes its state over the padding.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradassay_jax._execution import Tally
from gradassay_jax._framework import Arrays
from gradassay_jax._loops import Loop, scan
from gradassay_lstm import LSTM


def lstm(config: LSTM, values: Arrays, tally: Tally, loop: Loop = scan) -> dict[str, jax.Array]:
    """Return y (B,T,D·S), h_n (L·D,B,S) and c_n (L·D,B,H) for canonical tensors by name."""
    x = jnp.swapaxes(values["x"], 0, 1)
    steps, batch, _ = x.shape
    cells = config.num_layers * config.directions
    h0 = values.get("h0", jnp.zeros((cells, batch, config.state_size), x.dtype))
    c0 = values.get("c0", jnp.zeros((cells, batch, config.hidden_size), x.dtype))
    live = None
    if "lengths" in values:
        live = (jnp.arange(steps)[:, None] < values["lengths"][None, :])[..., None]
        # Whatever stands on the padding must not reach a gate, where 0 * inf would be NaN in the gradient.
        x = jnp.where(live, x, 0)
    h_n, c_n, sides = list[jax.Array](), list[jax.Array](), list[jax.Array]()
    for number, (layer, direction, suffix) in enumerate(config.cells()):
        h, c, y = _direction(values, suffix, x, h0[number], c0[number], live, bool(direction), tally, loop)
        h_n.append(h)
        c_n.append(c)
        sides.append(y)
        if len(sides) == config.directions:
            x = jnp.concatenate(sides, axis=-1)
            sides.clear()
            if f"dropout_mask_l{layer}" in values and layer < config.num_layers - 1:
                x = x * jnp.swapaxes(values[f"dropout_mask_l{layer}"], 0, 1)
    return {"y": jnp.swapaxes(x, 0, 1), "h_n": jnp.stack(h_n), "c_n": jnp.stack(c_n)}


def step_bodies(config: LSTM, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    return int(values["x"].shape[1]) * config.num_layers * config.directions


def _direction(
    values: Arrays,
    suffix: str,
    x: jax.Array,
    h0: jax.Array,
    c0: jax.Array,
    live: jax.Array | None,
    reverse: bool,
    tally: Tally,
    loop: Loop,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return h_n (B,S), c_n (B,H) and y (T,B,S) for x (T,B,N); `live` (T,B,1) is False on the padding."""
    recurrent, projection = values["weight_hh" + suffix], values.get("weight_hr" + suffix)
    driven = x @ values["weight_ih" + suffix].T
    if "bias_ih" + suffix in values:
        driven = driven + (values["bias_ih" + suffix] + values["bias_hh" + suffix])

    def step(
        carry: tuple[jax.Array, jax.Array], now: tuple[jax.Array, jax.Array | None]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        tally.steps += 1
        (h, c), (drive, alive) = carry, now
        i, f, g, o = jnp.split(drive + h @ recurrent.T, 4, axis=-1)
        c_new = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h_new = jax.nn.sigmoid(o) * jnp.tanh(c_new)
        if projection is not None:
            h_new = h_new @ projection.T
        if alive is None:
            return (h_new, c_new), h_new
        return (jnp.where(alive, h_new, h), jnp.where(alive, c_new, c)), jnp.where(alive, h_new, 0)

    (h, c), y = loop(step, (h0, c0), (driven, live), reverse)
    return h, c, y

"""The LSTM on `lax.scan` over a vector that is broadcast, or a `lax.scan` that carries the output it feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_jax._program import Program, offers
from gradassay_one_to_many._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays
    from gradassay_one_to_many import OneToMany


def apply(config: OneToMany, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return y (B,T,M), h_n (L·D,B,S) and c_n (L·D,B,H)."""
    return (_fed_back if config.feedback else _repeated)(config, values, tally)


def _repeated(config: OneToMany, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    import jax.numpy as jnp

    from gradassay_jax._lstm import lstm

    batch, width = values["x"].shape
    sequence = jnp.broadcast_to(values["x"][:, None], (batch, config.steps, width))
    if "shift" in values:
        sequence = sequence + values["shift"]
    found = lstm(config.lstm, {**values, "x": sequence}, tally)
    return found | {"y": found["y"] @ values["weight_out"].T + values["bias_out"]}


def _fed_back(config: OneToMany, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    import jax
    import jax.numpy as jnp

    x, inside = values["x"], config.lstm
    batch = x.shape[0]
    h0 = values.get("h0", jnp.zeros((inside.num_layers, batch, inside.state_size), x.dtype))
    c0 = values.get("c0", jnp.zeros((inside.num_layers, batch, inside.hidden_size), x.dtype))
    shift = values.get("shift", jnp.zeros((batch, config.steps, x.shape[1]), x.dtype))

    def cell(suffix: str, u: jax.Array, h: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        gates = u @ values["weight_ih" + suffix].T + h @ values["weight_hh" + suffix].T
        if inside.bias:
            gates = gates + values["bias_ih" + suffix] + values["bias_hh" + suffix]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h @ values["weight_hr" + suffix].T if inside.projection else h), c

    def step(
        carry: tuple[jax.Array, jax.Array, jax.Array], now: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
        tally.steps += 1
        fed, h, c = carry
        u, hs, cs = fed + now, list[jax.Array](), list[jax.Array]()
        for number, (_, _, suffix) in enumerate(inside.cells()):
            u, c_new = cell(suffix, u, h[number], c[number])
            hs.append(u)
            cs.append(c_new)
        y = u @ values["weight_out"].T + values["bias_out"]
        return (y, jnp.stack(hs), jnp.stack(cs)), y

    (_, h_n, c_n), y = jax.lax.scan(step, (x, h0, c0), jnp.swapaxes(shift, 0, 1))
    return {"y": jnp.swapaxes(y, 0, 1), "h_n": h_n, "c_n": c_n}


def steps(config: OneToMany, values: Arrays) -> int:
    """Return how many bodies of a step one run takes: fed back, one body is a step of every layer."""
    return config.steps * (1 if config.feedback else config.lstm.num_layers * config.lstm.directions)


program = Program(offers("one_to_many", features=FEATURES), apply, steps)

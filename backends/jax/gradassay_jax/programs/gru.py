"""The GRU on `lax.scan`, in both conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_gru._features import FEATURES
from gradassay_jax._program import Program, offers

if TYPE_CHECKING:
    import jax

    from gradassay_gru import GRU
    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays
    from gradassay_jax._recurrent import Step


def gru(config: GRU, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return y (B,T,D·H) and h_n (L·D,B,H) for canonical tensors by name."""
    from gradassay_jax._recurrent import stacked

    return stacked(config, values, tally, _after if config.reset_after else _before)


def _after(cell: Arrays) -> tuple[jax.Array, Step]:
    """The reset gate after the product: n = tanh(W x + b_ih + r * (U h + b_hh))."""
    import jax
    import jax.numpy as jnp

    drive = cell["x"] @ cell["weight_ih"].T + cell.get("bias_ih", 0)

    def step(h: jax.Array, driven: jax.Array) -> jax.Array:
        x_r, x_z, x_n = jnp.split(driven, 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ cell["weight_hh"].T + cell.get("bias_hh", 0), 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        return (1 - z) * jnp.tanh(x_n + r * h_n) + z * h

    return drive, step


def _before(cell: Arrays) -> tuple[jax.Array, Step]:
    """The reset gate before the product: n = tanh(W x + b_ih + U (r * h) + b_hh)."""
    import jax
    import jax.numpy as jnp

    drive = cell["x"] @ cell["weight_ih"].T
    if "bias_ih" in cell:
        drive = drive + (cell["bias_ih"] + cell["bias_hh"])
    size = cell["weight_hh"].shape[-1]
    gates, candidate = cell["weight_hh"][: 2 * size], cell["weight_hh"][2 * size :]

    def step(h: jax.Array, driven: jax.Array) -> jax.Array:
        r, z = jnp.split(jax.nn.sigmoid(driven[:, : 2 * size] + h @ gates.T), 2, axis=-1)
        return (1 - z) * jnp.tanh(driven[:, 2 * size :] + (r * h) @ candidate.T) + z * h

    return drive, step


def step_bodies(config: GRU, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    from gradassay_jax import _recurrent

    return _recurrent.step_bodies(config, values)


program = Program(
    offers(
        "gru",
        Gap(
            "jax refuses a scan over no steps under disable_jit ('the output type is unknown')",
            modes=frozenset({"eager"}),
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES,
    ),
    gru,
    step_bodies,
)

"""Elman's network on `lax.scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_jax._program import Program, offers
from gradassay_rnn_tanh._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays
    from gradassay_jax._recurrent import Step
    from gradassay_rnn_tanh import RNN


def rnn_tanh(config: RNN, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return y (B,T,D·H) and h_n (L·D,B,H) for canonical tensors by name."""
    from gradassay_jax._recurrent import stacked

    return stacked(config, values, tally, _cell)


def _cell(cell: Arrays) -> tuple[jax.Array, Step]:
    import jax.numpy as jnp

    drive = cell["x"] @ cell["weight_ih"].T
    if "bias_ih" in cell:
        drive = drive + (cell["bias_ih"] + cell["bias_hh"])
    return drive, lambda h, driven: jnp.tanh(driven + h @ cell["weight_hh"].T)


def step_bodies(config: RNN, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    from gradassay_jax import _recurrent

    return _recurrent.step_bodies(config, values)


program = Program(
    offers(
        "rnn_tanh",
        Gap(
            "jax refuses a scan over no steps under disable_jit ('the output type is unknown')",
            modes=frozenset({"eager"}),
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES,
    ),
    rnn_tanh,
    step_bodies,
)

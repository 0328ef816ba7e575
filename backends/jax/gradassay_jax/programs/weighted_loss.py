"""The LSTM on `lax.scan` under `jnp.sum` or `jnp.mean` of weighted squares, or `jnp.average` with its `weights`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_jax._program import Program, offers
from gradassay_lstm._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays
    from gradassay_weighted_loss import WeightedLoss

OWN = frozenset({"sum", "mean", "weighted_mean", "step_weights", "row_weights"})


def weighted_loss(config: WeightedLoss, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return loss () for canonical tensors by name."""
    import jax.numpy as jnp

    from gradassay_jax._lstm import lstm

    squares = (lstm(config.lstm, values, tally)["y"] - values["target"]) ** 2
    weights = values["weights"]
    weights = weights.reshape(weights.shape + (1,) * (squares.ndim - weights.ndim))
    if config.reduction == "weighted mean":
        # `average` repeats no weights.
        return {"loss": jnp.average(squares, weights=jnp.broadcast_to(weights, squares.shape))}
    return {"loss": {"sum": jnp.sum, "mean": jnp.mean}[config.reduction](weights * squares)}


def step_bodies(config: WeightedLoss, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    return int(values["x"].shape[1]) * config.lstm.num_layers * config.lstm.directions


program = Program(
    offers("weighted_loss", features=(FEATURES - {"no_batch", "no_steps"}) | OWN),
    weighted_loss,
    step_bodies,
)

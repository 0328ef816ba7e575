"""A table that is indexed, the LSTM on `lax.scan`, a product at every step, and `jax.nn.log_softmax`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay_jax._program import Program, offers
from gradassay_seq2seq._features import FEATURES, INSTEAD

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays
    from gradassay_seq2seq import Seq2Seq


def apply(config: Seq2Seq, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return logits (B,T,C) and loss ()."""
    import jax
    import jax.numpy as jnp

    from gradassay_jax._lstm import lstm

    tokens, targets = values["tokens"], values["targets"]
    embedded = values["table"][tokens]
    if config.padding_index is not None:
        constant = (tokens == config.padding_index)[..., None]
        embedded = jnp.where(constant, jax.lax.stop_gradient(embedded), embedded)
    if "shift" in values:
        embedded = embedded + values["shift"]
    y = lstm(config.lstm, {**values, "x": embedded}, tally)["y"]
    logits = y @ values["weight_out"].T + values["bias_out"]

    live = jnp.ones(targets.shape, dtype=bool) if config.ignore_index is None else targets != config.ignore_index
    if "lengths" in values:
        live &= jnp.arange(targets.shape[1]) < values["lengths"][:, None]
    at = jnp.where(live, targets, 0)[..., None]
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), at, axis=-1)[..., 0]
    # A division by a count of integers would make float32 of float16 and bfloat16.
    return {"logits": logits, "loss": -jnp.where(live, picked, 0).sum() / live.sum().astype(logits.dtype)}


def steps(config: Seq2Seq, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    return int(values["tokens"].shape[1]) * config.lstm.num_layers * config.lstm.directions


program = Program(offers("seq2seq", features=FEATURES), apply, steps, instead=INSTEAD)

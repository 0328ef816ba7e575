"""The LSTM on `lax.scan`, a product with the last state, and `jax.nn.log_softmax`, of which the label's is picked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_jax._program import Program, offers
from gradassay_lstm._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_classifier import Classifier
    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays


def classifier(config: Classifier, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return logits (B, C) and loss () for canonical tensors by name."""
    import jax
    import jax.numpy as jnp

    from gradassay_jax._lstm import lstm

    h_n = lstm(config.lstm, values, tally)["h_n"]
    last = jnp.concatenate(list(h_n[-config.lstm.directions :]), axis=-1)
    logits = last @ values["head_weight"].T + values["head_bias"]
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), values["labels"][:, None], axis=-1)
    return {"logits": logits, "loss": -jnp.mean(picked)}


def step_bodies(config: Classifier, values: Arrays) -> int:
    """Return how many steps one run takes in all layers and directions."""
    return int(values["x"].shape[1]) * config.lstm.num_layers * config.lstm.directions


program = Program(
    offers(
        "classifier",
        Gap(
            "jax refuses a scan over no steps under disable_jit ('the output type is unknown')",
            modes=frozenset({"eager"}),
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES - {"no_batch"},
    ),
    classifier,
    step_bodies,
)

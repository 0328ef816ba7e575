"""The mean-squared error of y against a target; over no elements it is 0/0, NaN."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradassay_jax._execution import Tally
from gradassay_jax._framework import Arrays
from gradassay_jax._loops import Loop, scan
from gradassay_jax._lstm import lstm
from gradassay_lstm import LSTM


def mse(config: LSTM, values: Arrays, tally: Tally, loop: Loop = scan) -> dict[str, jax.Array]:
    """Return loss (), the mean of (y - target)^2 over all elements, padding (where y is 0) included."""
    return {"loss": jnp.mean((lstm(config, values, tally, loop)["y"] - values["target"]) ** 2)}

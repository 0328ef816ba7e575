"""Truncated back-propagation through time: `lax.scan` chunk by chunk, with `lax.stop_gradient` on the carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay_jax._program import Program, offers
from gradassay_lstm._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays


def apply(config: Any, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return y, h_n and c_n, window by window."""
    import jax.numpy as jnp
    from jax import lax

    from gradassay_jax._lstm import lstm
    from gradassay_truncated._windows import windows

    carried: Arrays = {name: values[name] for name in ("h0", "c0") if name in values}
    rest = {name: value for name, value in values.items() if name not in carried}
    blocks = []

    def run(start: int, stop: int, state: Arrays) -> tuple[list[jax.Array], Arrays]:
        if start == stop:
            return [], state
        cut = {n: a[:, start:stop] if n == "x" or n.startswith("dropout_mask") else a for n, a in rest.items()}
        found = lstm(config.lstm, {**cut, **state}, tally)
        return [found["y"]], {"h0": found["h_n"], "c0": found["c_n"]}

    for window in windows(config.k1, config.k2, values["x"].shape[1]):
        entering = {name: lax.stop_gradient(state) for name, state in carried.items()} if window.start else carried
        before, carried = run(window.start, window.cut, entering)
        after, final = run(window.cut, window.stop, carried)
        blocks.append(jnp.concatenate([*before, *after], axis=1)[:, window.own - window.start :])
    return {"y": jnp.concatenate(blocks, axis=1), "h_n": final["h0"], "c_n": final["c0"]}


def steps(config: Any, values: Arrays) -> int:
    """Return how many steps one run takes in all windows and layers."""
    from gradassay_truncated._windows import windows

    found = windows(config.k1, config.k2, values["x"].shape[1])
    return int(config.lstm.num_layers) * sum(window.stop - window.start for window in found)


truncated = Program(offers("truncated", features=FEATURES | {"cut", "overlap"}), apply, steps)

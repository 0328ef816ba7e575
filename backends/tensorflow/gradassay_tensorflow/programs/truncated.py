"""Truncated back-propagation through time: `keras.layers.LSTM` chunk by chunk, with `tf.stop_gradient` on the carry.

The layer is stateful by hand: a stateful layer of Keras keeps its state in variables, which no gradient ever passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_tensorflow._derivatives import Named
    from gradassay_tensorflow._framework import Tensor

GAP = Gap("keras.layers.LSTM takes both initial states or neither", features=frozenset({"partial_states"}))


def build(config: Any, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the layers called window by window."""
    import tensorflow as tf

    from gradassay_tensorflow import _lstm
    from gradassay_tensorflow._derivatives import Differentiable
    from gradassay_truncated._windows import windows

    lstm, kernel = _lstm.lstm(config.lstm, parameters, dtype, compiled)

    def truncated(inputs: Named) -> dict[str, Tensor]:
        carried: Named = {name: inputs[name] for name in ("h0", "c0") if name in inputs}
        blocks = []

        def run(start: int, stop: int, state: Named) -> tuple[list[Tensor], Named]:
            if start == stop:
                return [], state
            cut = {n: a[:, start:stop] for n, a in inputs.items() if n == "x" or n.startswith("dropout_mask")}
            found = lstm.call({**cut, **state})
            return [found["y"]], {"h0": found["h_n"], "c0": found["c_n"]}

        for window in windows(config.k1, config.k2, inputs["x"].shape[1]):
            entering = {name: tf.stop_gradient(s) for name, s in carried.items()} if window.start else carried
            before, carried = run(window.start, window.cut, entering)
            after, final = run(window.cut, window.stop, carried)
            blocks.append(tf.concat([*before, *after], axis=1)[:, window.own - window.start :])
        return {"y": tf.concat(blocks, axis=1), "h_n": final["h0"], "c_n": final["c0"]}

    return Built(Differentiable(truncated, lstm.variables), _lstm.LAYOUT, kernel)


truncated = Program(
    offers("truncated", GAP, features=(FEATURES - {"projection"}) | {"cut", "overlap"}),
    build,
    zeros=True,  # what lies before the window has no part in its loss
)

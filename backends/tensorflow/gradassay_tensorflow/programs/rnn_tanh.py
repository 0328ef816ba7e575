"""`keras.layers.SimpleRNN`, whose activation is tanh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_rnn_tanh._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_rnn_tanh import RNN


def build(config: RNN, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `y` and `h_n`: Keras' layers with these parameters."""
    import keras

    from gradassay_tensorflow._recurrent import built

    return built(keras.layers.SimpleRNN, config, parameters, dtype, {})


program = Program(
    offers(
        "rnn_tanh",
        Gap(
            "keras.layers.SimpleRNN fails on no steps: it reads step 0 of x before its loop",
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES,
    ),
    build,
)

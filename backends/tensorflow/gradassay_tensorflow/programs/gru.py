"""`keras.layers.GRU`, in both conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_gru._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_gru import GRU


def build(config: GRU, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `y` and `h_n`: Keras' layers with these parameters."""
    import keras

    from gradassay_tensorflow._recurrent import built

    # XLA compiles no cuDNN operation, so there Keras is told to use its loop.
    options = {"reset_after": config.reset_after, "use_cudnn": False if compiled else "auto"}
    return built(keras.layers.GRU, config, parameters, dtype, options)


program = Program(
    offers(
        "gru",
        Gap(
            "keras.layers.GRU fails on no steps: it reads step 0 of x before its loop",
            features=frozenset({"no_steps"}),
        ),
        features=FEATURES,
    ),
    build,
)

"""The random state of TensorFlow and Keras, as far as there is one: without a seed, TensorFlow draws one for each use.

Only what is there is read: TensorFlow's and Keras' public functions would make the generators that they return.
"""

from __future__ import annotations

from typing import Any

from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.ops import stateful_random_ops


def random_state() -> dict[str, bytes]:
    """Return the state of each generator by its name; empty where there is none yet.

    "tensorflow" is what `tf.random.set_seed` starts, "tensorflow generator" the global `tf.random.Generator`,
    "keras" the generator of Keras' layers and functions that are given no seed.
    """
    seeded = getattr(context.context(), "_rng", None)  # a `random.Random`, once there is a seed
    keras: Any = global_state.get_global_attribute("global_seed_generator")
    shared: Any = stateful_random_ops.global_generator
    return {
        "tensorflow": b"" if seeded is None else repr(seeded.getstate()).encode(),
        "tensorflow generator": b"" if shared is None else shared.state.numpy().tobytes(),
        "keras": b"" if keras is None else keras.state.numpy().tobytes(),
    }

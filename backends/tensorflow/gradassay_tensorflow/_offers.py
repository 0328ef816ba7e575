"""What the two backends can do: static data."""

from __future__ import annotations

from gradassay._backend import Gap, Mode, Offer
from gradassay_lstm._features import FEATURES

_EAGER = Mode("eager", {"executed": "eager"})
_GRAPH = Mode("graph", {"executed": "graph"}, compiled=True)
_XLA = Mode("xla", {"executed": "xla"}, compiled=True)
# As in training, and with a graph in which Keras has written out every step.
_KERAS_VARIANTS = (
    Mode("training", {"executed": "eager", "training": "yes"}, variant=True),
    Mode("unrolled", {"executed": "graph", "loops": "0"}, compiled=True, variant=True),
)
_CHECKPOINT = Mode("checkpoint", {"executed": "eager", "checkpointed": "yes"}, variant=True)


def _offers(features: frozenset[str], gaps: tuple[Gap, ...], variants: tuple[Mode, ...]) -> tuple[Offer, ...]:
    return tuple(
        Offer(
            spec=spec,
            features=features,
            modes=(_EAGER, _GRAPH, _XLA, *variants),
            dtypes=("float64", "float32", "bfloat16", "float16"),
            devices=("cpu", "cpu:1", "cuda"),
            operators=frozenset({"forward", "vjp", "jvp", "jacobian", "hvp"}),
            gaps=gaps,
        )
        for spec in ("lstm", "mse")
    )


KERAS = _offers(
    FEATURES - {"projection"},
    (
        Gap(
            "keras.layers.LSTM takes both initial states or neither",
            features=frozenset({"partial_states"}),
        ),
        Gap(
            "keras.layers.LSTM fails on no steps: it reads step 0 of x before its loop",
            features=frozenset({"no_steps"}),
        ),
        Gap(
            "keras.layers.LSTM fails on an empty batch: keras.ops.add takes its (0, 4H) summand for a bias",
            features=frozenset({"no_batch"}),
        ),
    ),
    _KERAS_VARIANTS,
)

LOOP = _offers(
    FEATURES,
    (
        Gap(
            "TensorFlow gives None, not zeros, as the gradient of what no step has used",
            operators=frozenset({"vjp", "hvp"}),
            features=frozenset({"no_steps"}),
        ),
        Gap(
            "GradientTape.jacobian (pfor) fails on an empty batch: it makes gradients of the weights of another shape",
            operators=frozenset({"jacobian"}),
            modes=frozenset({"eager", "graph", "checkpoint"}),
            features=frozenset({"no_batch"}),
        ),
        Gap(
            "tf.recompute_grad has no forward mode, and no second derivative",
            operators=frozenset({"jvp", "hvp"}),
            modes=frozenset({"checkpoint"}),
        ),
        Gap("there is no step to checkpoint", modes=frozenset({"checkpoint"}), features=frozenset({"no_steps"})),
    ),
    (_CHECKPOINT,),
)

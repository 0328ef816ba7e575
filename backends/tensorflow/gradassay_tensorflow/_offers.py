"""What the two backends can do: static data."""

from __future__ import annotations

from gradassay._backend import Gap, Mode, Offer

_EAGER = Mode("eager", {"executed": "eager"})
_GRAPH = Mode("graph", {"executed": "graph"}, compiled=True)
_XLA = Mode("xla", {"executed": "xla"}, compiled=True)

_FEATURES = frozenset(
    {"layers", "bidirectional", "no_bias", "dropout", "ragged", "zero_length", "absent_states", "partial_states"}
)


def _offers(features: frozenset[str], gaps: tuple[Gap, ...]) -> tuple[Offer, ...]:
    return tuple(
        Offer(
            spec=spec,
            features=features,
            modes=(_EAGER, _GRAPH, _XLA),
            dtypes=("float64", "float32", "bfloat16", "float16"),
            devices=("cpu", "cpu:1", "cuda"),
            operators=frozenset({"forward", "vjp", "jvp", "jacobian", "hvp"}),
            gaps=gaps,
        )
        for spec in ("lstm", "mse")
    )


KERAS = _offers(
    _FEATURES | {"no_steps", "no_batch"},
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
)

LOOP = _offers(
    _FEATURES | {"projection", "no_steps", "no_batch"},
    (
        Gap(
            "TensorFlow gives None, not zeros, as the gradient of what no step has used",
            operators=frozenset({"vjp", "hvp"}),
            features=frozenset({"no_steps"}),
        ),
        Gap(
            "GradientTape.jacobian (pfor) fails on an empty batch: it makes gradients of the weights of another shape",
            operators=frozenset({"jacobian"}),
            modes=frozenset({"eager", "graph"}),
            features=frozenset({"no_batch"}),
        ),
    ),
)

"""Gradient clipping: `jax.example_libraries.optimizers.clip_grads`, and `jnp.clip` element by element.

An absent tensor is None in the tree, which is a tree without leaves.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap
from gradassay_jax._program import Program, offers

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays

WAYS = frozenset({"global_norm", "norm_of_each", "value", "no_epsilon", "absent", "zero_norm", "zero_each", "far_norm"})
NO_DERIVATIVE_AT_ZERO = Gap(
    "clip_grads has NaN as its derivative where every tensor is zero: 0 times the infinite slope of sqrt",
    operators=frozenset({"vjp", "jvp", "jacobian", "hvp"}),
    features=frozenset({"zero_norm", "zero_each"}),
)


def apply(config: Any, values: Arrays, tally: Tally) -> dict[str, jax.Array]:
    """Return each tensor clipped, and by the global norm that norm."""
    import jax.numpy as jnp
    from jax.example_libraries import optimizers

    grads: Any = optimizers.clip_grads  # untyped in jax, as is the norm
    l2_norm: Any = optimizers.l2_norm
    tree = {f"clipped_g{number}": values.get(f"g{number}") for number in range(len(config.shapes))}
    limit, norm = config.limit, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the whole of example_libraries is deprecated
        if config.by == "value":
            clipped = {name: None if g is None else jnp.clip(g, -limit, limit) for name, g in tree.items()}
        elif config.by == "each":
            clipped = {name: grads(g, limit) for name, g in tree.items()}
        else:
            clipped = grads(tree, limit)
            norm = {"norm": l2_norm(tree)}
    return {**{name: g for name, g in clipped.items() if g is not None}, **norm}


clip = Program(
    tuple(
        replace(offer, promises=frozenset({"bits below the limit"}))
        for offer in offers(
            "clip",
            NO_DERIVATIVE_AT_ZERO,
            features=WAYS,
        )
    ),
    apply,
)

"""Gradient clipping: `tf.clip_by_global_norm`, `tf.clip_by_norm` and `tf.clip_by_value`.

An absent tensor is None among the others, as a variable without a gradient leaves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_tensorflow._derivatives import Named
    from gradassay_tensorflow._framework import Tensor

NO_DERIVATIVE_AT_ZERO = Gap(
    "tf.clip_by_global_norm has NaN as its derivative where every tensor is zero: 0 times the infinite slope of sqrt",
    operators=frozenset({"vjp", "jvp", "jacobian", "hvp"}),
    features=frozenset({"zero_norm"}),
)


FEW_DIGITS_FAR_ABOVE = Gap(
    "the derivative of tf.clip_by_global_norm loses digits by a factor of the norm, for it adds a cotangent and takes "
    "it away again (reports/findings/tensorflow-clip-by-global-norm.md)",
    operators=frozenset({"vjp", "jvp", "jacobian", "hvp"}),
    features=frozenset({"far_norm"}),
)


def build(config: Any, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function that the configuration asks for."""
    import tensorflow as tf

    from gradassay_tensorflow._convention import AsNamed
    from gradassay_tensorflow._derivatives import Differentiable

    limit = config.limit

    def by_global_norm(inputs: Named) -> dict[str, Tensor]:
        names = [f"g{number}" for number in range(len(config.shapes))]
        clipped, norm = tf.clip_by_global_norm([inputs.get(name) for name in names], limit)
        found = {f"clipped_{name}": g for name, g in zip(names, clipped, strict=True) if g is not None}
        return {**found, "norm": norm}

    def by_norm(inputs: Named) -> dict[str, Tensor]:
        return {f"clipped_{name}": tf.clip_by_norm(g, limit) for name, g in inputs.items()}

    def by_value(inputs: Named) -> dict[str, Tensor]:
        return {f"clipped_{name}": tf.clip_by_value(g, -limit, limit) for name, g in inputs.items()}

    chosen, kernel = {
        "norm": (by_global_norm, "tf.clip_by_global_norm"),
        "each": (by_norm, "tf.clip_by_norm"),
        "value": (by_value, "tf.clip_by_value"),
    }[config.by]
    return Built(Differentiable(chosen), AsNamed(), kernel)


clip = Program(
    offers(
        "clip",
        NO_DERIVATIVE_AT_ZERO,
        FEW_DIGITS_FAR_ABOVE,
        features=frozenset(
            {"global_norm", "norm_of_each", "value", "no_epsilon", "absent", "zero_norm", "zero_each", "far_norm"}
        ),
    ),
    build,
    zeros=True,  # a tensor that is clipped alone has no part in the others
)

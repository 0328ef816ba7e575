"""The derivative operators, as JAX functions of dicts of arrays: VJP, JVP, Jacobian and HVP.

Each takes `f`, a function of all values by name, and returns a pure function to be run eagerly or compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from gradassay_jax._framework import Arrays

Function = Callable[[Arrays], dict[str, jax.Array]]
# Of (values, further dicts by the operator): outputs and derivatives, as a dict of dicts.
Operator = Callable[..., dict[str, dict[str, jax.Array]]]


def forward(f: Function) -> Operator:
    return lambda values: {"outputs": f(values)}


def vjp(f: Function, wrt: Sequence[str]) -> Operator:
    """Of (values, cotangents): an output without a cotangent is not part of the loss."""

    def run(values: Arrays, cotangents: Arrays) -> dict[str, dict[str, jax.Array]]:
        def named(moving: Arrays) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
            outputs = f({**values, **moving})
            return {name: outputs[name] for name in cotangents}, outputs

        _, pull, outputs = jax.vjp(named, {name: values[name] for name in wrt}, has_aux=True)
        return {"outputs": outputs, "gradients": pull(dict(cotangents))[0]}

    return run


def jvp(f: Function) -> Operator:
    """Of (values, tangents)."""

    def run(values: Arrays, tangents: Arrays) -> dict[str, dict[str, jax.Array]]:
        moving = {name: values[name] for name in tangents}
        outputs, derivatives = jax.jvp(lambda moving: f({**values, **moving}), (moving,), (dict(tangents),))
        return {"outputs": outputs, "tangents": derivatives}

    return run


def jacobian(f: Function, of: str, wrt: str) -> Operator:
    """Of (values): one linearisation, pushed forward by columns or, where rows are fewer, transposed by rows.

    The two routes are what `jax.jacfwd` and `jax.jacrev` do; the linearisation tells which is shorter.
    """

    def run(values: Arrays) -> dict[str, dict[str, jax.Array]]:
        at = values[wrt]
        output, pushforward = jax.linearize(lambda moved: f({**values, wrt: moved})[of], at)
        if at.size <= output.size:
            hot = jnp.eye(at.size, dtype=at.dtype).reshape(at.size, *at.shape)
            matrix = jax.vmap(pushforward, out_axes=-1)(hot)
        else:
            pull = jax.linear_transpose(pushforward, at)
            hot = jnp.eye(output.size, dtype=output.dtype).reshape(output.size, *output.shape)
            (matrix,) = jax.vmap(pull)(hot)
        return {"jacobian": {of: matrix.reshape(*output.shape, *at.shape)}}

    return run


def vjps(f: Function, wrt: Sequence[str]) -> Operator:
    """Of (values, cotangents), with K the first axis of every cotangent and gradient: one linearisation, transposed."""

    def run(values: Arrays, cotangents: Arrays) -> dict[str, dict[str, jax.Array]]:
        def named(moving: Arrays) -> dict[str, jax.Array]:
            outputs = f({**values, **moving})
            return {name: outputs[name] for name in cotangents}

        _, pull = jax.vjp(named, {name: values[name] for name in wrt})
        return {"gradients": jax.vmap(pull)(dict(cotangents))[0]}

    return run


def jvps(f: Function, of: Sequence[str]) -> Operator:
    """Of (values, tangents), with K the first axis of every tangent, and the last of every answer: so is a Jacobian."""

    def run(values: Arrays, tangents: Arrays) -> dict[str, dict[str, jax.Array]]:
        def named(moving: Arrays) -> dict[str, jax.Array]:
            outputs = f({**values, **moving})
            return {name: outputs[name] for name in of}

        _, pushforward = jax.linearize(named, {name: values[name] for name in tangents})
        return {"tangents": jax.vmap(pushforward, out_axes=-1)(dict(tangents))}

    return run


def hvp(f: Function, wrt: Sequence[str]) -> Operator:
    """Of (values, cotangents, tangents): forward over reverse, the tangent of the gradient."""
    gradient = vjp(f, wrt)

    def run(values: Arrays, cotangents: Arrays, tangents: Arrays) -> dict[str, dict[str, jax.Array]]:
        moving = {name: values[name] for name in tangents}

        def gradients(moving: Arrays) -> dict[str, jax.Array]:
            return gradient({**values, **moving}, cotangents)["gradients"]

        return {"gradients": jax.jvp(gradients, (moving,), (dict(tangents),))[1]}

    return run

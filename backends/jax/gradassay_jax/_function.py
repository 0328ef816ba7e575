"""A decorated function as a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from gradassay import _decorated
from gradassay._backend import Unsupported
from gradassay._spec import Array, Tensors
from gradassay._target import Target
from gradassay_jax import _execution, _framework
from gradassay_jax._execution import Program, Tally
from gradassay_jax._framework import Arrays
from gradassay_jax._model import JaxModel

EXECUTIONS = {"jit": "jit", "eager": "as written"}
# How JAX says that a function has its own reverse rule, and so no forward one.
REFUSAL = "(jvp) to a custom_vjp function"


class FunctionModel(JaxModel):
    """A model that says so where JAX refuses a derivative of its function."""

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
        with refusals():
            return super().jvp(inputs, tangents)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        with refusals():
            return super().jacobian(inputs, of, wrt)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> dict[str, Array | None]:
        with refusals():
            return super().vjps(inputs, cotangents, wrt)

    def jvps(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> dict[str, Array]:
        with refusals():
            return super().jvps(inputs, tangents, of)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> dict[str, Array | None]:
        with refusals():
            return super().hvp(inputs, cotangents, tangents, wrt)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn JAX's word that a function has no such derivative into `Unsupported`; other errors stay errors."""
    try:
        yield
    except TypeError as error:
        if REFUSAL in str(error):
            raise Unsupported(f"jax refuses forward mode of this function: {error}") from error
        raise


def load(function: _decorated.Function, config: Any, parameters: Tensors, target: Target) -> FunctionModel:
    names = frozenset(parameters)

    def apply(values: Arrays, tally: Tally) -> dict[str, jax.Array]:
        own = {name: value for name, value in values.items() if name in names}
        given: Mapping[str, jax.Array] = {name: value for name, value in values.items() if name not in names}
        return _decorated.call(function, config, own, given, jax.Array, "jax.Array")

    program = Program(apply)
    execution = _execution.make(EXECUTIONS[target.mode], program)
    return FunctionModel(program, execution, parameters, _framework.device(target.device))

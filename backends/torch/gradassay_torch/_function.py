"""A decorated function as a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gradassay import _decorated
from gradassay._backend import Unsupported
from gradassay._spec import Array, Tensors
from gradassay_torch._compiled import Compiled
from gradassay_torch._framework import to_tensor
from gradassay_torch._kernel import Execution, Kernel
from gradassay_torch._model import TorchModel

if TYPE_CHECKING:
    from gradassay._target import Target
    from gradassay_torch._framework import Named

COMPILERS = {"compile": "aot_eager", "inductor": "inductor"}
# How torch says that a function has no such derivative, in place of giving one.
REFUSALS = (
    "once_differentiable",
    "does not support it because it has not been implemented",  # forward mode of an operation
    "is not implemented",
    "must override the setup_context staticmethod",  # an autograd.Function under a transform
    "vmap over torch.autograd.Function",
    "jvp",
)


class AsGiven:
    """The function of all tensors by name that a decorated one is, and how often Python has run it."""

    def __init__(self, function: _decorated.Function, config: Any, parameters: Sequence[str]) -> None:
        self._function, self._config, self._names = function, config, frozenset(parameters)
        self._runs = self._told = 0

    def __call__(self, tensors: Named) -> dict[str, torch.Tensor]:
        self._runs += 1
        own = {name: tensor for name, tensor in tensors.items() if name in self._names}
        given = {name: tensor for name, tensor in tensors.items() if name not in self._names}
        return _decorated.call(self._function, self._config, own, given, torch.Tensor, "torch.Tensor")

    def facts(self) -> Mapping[str, str]:
        """Return what was seen since the last time."""
        runs, self._told = self._runs - self._told, self._runs
        return {"executed": "as written" if runs else "not at all", "python_runs": str(runs)}


class FunctionModel(TorchModel):
    """A model that says so where torch refuses a derivative of its function."""

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        outputs, gradients = super().vjp(inputs, cotangents, wrt)
        return outputs, apart(gradients, cotangents)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        with refusals("forward mode"):
            return super().jvp(inputs, tangents)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        with refusals("batched backward"):
            return super().jacobian(inputs, of, wrt)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Mapping[str, Array | None]:
        with refusals("batched backward"):
            return super().vjps(inputs, cotangents, wrt)

    def jvps(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> Tensors:
        with refusals("batched forward mode"):
            return super().jvps(inputs, tangents, of)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        with refusals("double backward"):
            return apart(super().hvp(inputs, cotangents, tangents, wrt), {**cotangents, **tangents})


def apart(gradients: Mapping[str, Array | None], given: Tensors) -> dict[str, Array | None]:
    """Return gradients that share memory neither with one another nor with what was given.

    `autograd.grad` hands out one tensor for two leaves whose gradients are the same, or the cotangent itself, where
    `.backward()` copies: that is torch's doing, and not the function's.
    """
    own: dict[str, Array | None] = {}
    others = list(given.values())
    for name, array in gradients.items():
        if array is not None and any(np.may_share_memory(array, other) for other in others):
            own[name] = array.copy()
        else:
            own[name] = array
        others += [] if array is None else [array]
    return own


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn torch's word that a function has no such derivative into `Unsupported`; other errors stay errors."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if any(words in str(error) for words in REFUSALS):
            raise Unsupported(f"torch refuses {what} of this function: {str(error).splitlines()[0]}") from error
        raise


def load(function: _decorated.Function, config: Any, parameters: Tensors, target: Target) -> FunctionModel:
    # Copies: the model holds its own parameters, and damage to them shows in `parameters()`.
    held = {name: to_tensor(array.copy(), target.device) for name, array in parameters.items()}
    given = AsGiven(function, config, list(held))
    compiler = COMPILERS.get(target.mode)
    execution: Execution = Compiled(given, compiler) if compiler else Kernel(given, "", given.facts)
    return FunctionModel(execution, held, target.device)

"""Models that misbehave around right equations: what a fault of behaviour wraps another model in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradassay import Model, Tensors

Gradients = dict[str, Any]


class Wrapped:
    """A model that behaves as another, until a subclass says otherwise."""

    def __init__(self, dtype: str, model: Any) -> None:
        self.dtype, self.model = dtype, model

    @property
    def ran(self) -> Mapping[str, str]:
        return self.model.ran  # type: ignore[no-any-return]  # the wrapped model's own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


class MeanForSum(Wrapped):
    """Divides the gradients of parameters by the batch."""

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Gradients]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        batch = inputs["x"].shape[0]
        return outputs, {
            n: (g / batch).astype(g.dtype) if n.startswith(("weight", "bias")) else g for n, g in gradients.items()
        }


class StaleBuffer(Wrapped):
    """Adds dW_hh to a buffer that is cleared only when the next call has the same shape."""

    stale: Any = None

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Gradients]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        name = "weight_hh_l0"
        if name in gradients:
            fresh = gradients[name]
            if self.stale is not None and self.stale[0] != inputs["x"].shape:
                gradients = dict(gradients) | {name: (fresh + self.stale[1]).astype(fresh.dtype)}
            self.stale = (inputs["x"].shape, fresh)
        return outputs, gradients


class Leak(Wrapped):
    """Gives dx on the padding as 1e-3, where it should be exactly 0."""

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Gradients]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        if "x" in gradients and "lengths" in inputs:
            dx = np.array(gradients["x"])
            padding = np.arange(dx.shape[1])[None] >= inputs["lengths"][:, None]
            dx[padding] = np.asarray(1e-3).astype(dx.dtype)
            gradients = dict(gradients) | {"x": dx}
        return outputs, gradients


class Eager(Wrapped):
    """Says what it did, and did not do what it was asked: it fell back."""

    @property
    def ran(self) -> Mapping[str, str]:
        return dict(self.model.ran) | {"executed": "eager"}


class InPlace(Wrapped):
    """Halves a row of the recurrent weights where they lie, as weight drop did with its mask."""

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Gradients]:
        answer: tuple[Tensors, Gradients] = self.model.vjp(inputs, cotangents, wrt)
        weight = self.model.parameters()["weight_hh_l0"]
        weight[0] *= weight.dtype.type(0.5)
        return answer


def wrap(kind: type[Wrapped]) -> Callable[[str, Model], Any]:
    """Return what a `Fault` takes: from a dtype and a right model to a wrong one."""

    def wrapped(dtype: str, model: Model) -> Any:
        return kind(dtype, model)

    return wrapped

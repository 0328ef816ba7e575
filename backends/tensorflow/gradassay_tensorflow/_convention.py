"""How variables hold canonical parameters: `gradassay_lstm.Layout` is such a convention, and these stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

from gradassay._spec import Array, Tensors


class Convention(Protocol):
    """An affine map from canonical parameters to a framework's arrays, with its adjoint and an inverse."""

    def forward(self, parameters: Tensors) -> dict[str, Array]: ...

    def adjoint(self, gradients: Mapping[str, Array | None], names: Iterable[str]) -> dict[str, Array | None]: ...

    def inverse(self, weights: Tensors) -> dict[str, Array]: ...


class AsNamed:
    """Each parameter is a variable of its own, by its own name; those named here are matrices that lie transposed.

    `keras.layers.Dense` keeps W' of y = x W' + b: (in, out), where the canonical weight is (out, in).
    """

    def __init__(self, *transposed: str) -> None:
        self._transposed = frozenset(transposed)

    def forward(self, parameters: Tensors) -> dict[str, Array]:
        return {name: self._turned(name, array) for name, array in parameters.items()}

    def adjoint(self, gradients: Mapping[str, Array | None], names: Iterable[str]) -> dict[str, Array | None]:
        found = {name: gradients[name] for name in names}
        return {name: None if g is None else self._turned(name, g) for name, g in found.items()}

    def inverse(self, weights: Tensors) -> dict[str, Array]:
        return self.forward(weights)

    def _turned(self, name: str, array: Array) -> Array:
        return np.ascontiguousarray(array.T) if name in self._transposed else array


class Joined:
    """Two conventions: `first` for every name, canonical or a variable's, that `belongs`, else `second`."""

    def __init__(self, belongs: Callable[[str], bool], first: Convention, second: Convention) -> None:
        self._belongs, self._parts = belongs, (first, second)

    def forward(self, parameters: Tensors) -> dict[str, Array]:
        return {
            name: array
            for part, own in zip(self._parts, self._split(parameters), strict=True)
            for name, array in part.forward({name: parameters[name] for name in own}).items()
        }

    def adjoint(self, gradients: Mapping[str, Array | None], names: Iterable[str]) -> dict[str, Array | None]:
        names = list(names)
        found: dict[str, Array | None] = {}
        for part, held, own in zip(self._parts, self._split(gradients), self._split(names), strict=True):
            found |= part.adjoint({name: gradients[name] for name in held}, own)
        return {name: found[name] for name in names}

    def inverse(self, weights: Tensors) -> dict[str, Array]:
        return {
            name: array
            for part, own in zip(self._parts, self._split(weights), strict=True)
            for name, array in part.inverse({name: weights[name] for name in own}).items()
        }

    def _split(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        names = list(names)
        return [name for name in names if self._belongs(name)], [name for name in names if not self._belongs(name)]

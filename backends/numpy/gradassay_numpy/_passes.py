"""Four hand-written passes over a model, which is all that `_model` needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from gradassay._spec import Array, Tensors

Run = TypeVar("Run")
Tangent = TypeVar("Tangent")
Adjoint = TypeVar("Adjoint")


class Passes(Protocol, Generic[Run, Tangent, Adjoint]):
    """What each returns beside its result is whatever the later passes need.

    `values` holds parameters and inputs by canonical name, with every differentiable tensor present;
    `tangents` has a tangent for each of these. Cotangents and gradients may carry leading lanes.
    """

    def complete(self, values: Tensors) -> dict[str, Array]:
        """Give the optional tensors that are absent the values which that means."""
        ...

    def forward(self, values: Tensors) -> tuple[dict[str, Array], Run]: ...

    def tangent(self, run: Run, tangents: Tensors) -> tuple[dict[str, Array], Tangent]: ...

    def backward(self, run: Run, cotangents: Tensors) -> tuple[dict[str, Array], Adjoint]: ...

    def second(
        self, run: Run, tangent: Tangent, adjoint: Adjoint, tangents: Tensors, d_cotangents: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Return the tangents of the gradients, for tangents of the values and of the cotangents."""
        ...

"""The derivative of a model at a point as a linear map, asked in the way the backend does best, and what that took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradassay._backend import Unsupported
from gradassay._errors import UsageError
from gradassay._spec import Array, Tensors


@dataclass
class Cost:
    """What was asked of a backend.

    Attributes:
        calls: how often it was called.
        lanes: cotangents pulled back, tangents pushed forward and points evaluated: one each of a plain call.
        lane_steps: lanes times rows times the steps that each was swept over.
        seconds: spent in these calls, conversion included.
        bytes: of the block, and of the largest stack of directions that was held beside it.
    """

    calls: int = 0
    lanes: int = 0
    lane_steps: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass
class Linear:
    """A model, with `operators` naming what may be asked of it; what it refuses is asked no more.

    `sized(inputs)` says over how many rows times steps a call with these inputs sweeps. Where a backend cannot take
    many directions at once, they are taken one by one; with `strict`, `Unsupported` is raised instead.
    """

    model: Any
    operators: set[str]
    sized: Callable[[Tensors], int]
    strict: bool = False
    load: Callable[[Tensors], Any] | None = None  # the model with other parameters
    cost: Cost = field(default_factory=Cost)
    refused: dict[str, str] = field(default_factory=dict)

    def can(self, operator: str) -> bool:
        return operator in self.operators and operator not in self.refused

    def forward(self, inputs: Tensors) -> Tensors:
        with self._counted(inputs, 1):
            if self.can("vjps") and hasattr(self.model, "primal"):
                with suppress(Unsupported):
                    compiled: Tensors = self.model.primal(inputs)
                    return compiled
            found: Tensors = self.model.forward(inputs)
        return found

    def forward_with(self, inputs: Tensors, parameters: Tensors) -> Tensors:
        """Return the outputs with some parameters replaced.

        Raises:
            UsageError: for a live layer, which has its own.
        """
        if self.load is None:
            raise UsageError("a live layer has a forward pass alone, and its own parameters: nothing is known by them")
        with self._counted(inputs, 1):
            found: Tensors = self.load(parameters).forward(inputs)
        return found

    def pull(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> dict[str, Array]:
        """Return J' v for each of K cotangents (K, *output), as arrays (K, *wrt): zeros where there is no gradient."""
        count = len(next(iter(cotangents.values())))
        if self.can("vjps"):
            with self._refusing("vjps", count), self._counted(inputs, count):
                found = self.model.vjps(inputs, cotangents, wrt)
                return {name: self._present(found[name], name, inputs, (count,)) for name in wrt}
        rows: list[Mapping[str, Array | None]] = []
        for k in range(count):
            with self._counted(inputs, 1):
                one = {name: np.array(along[k], order="C") for name, along in cotangents.items()}
                rows.append(self.model.vjp(inputs, one, wrt)[1])
        return {name: np.stack([self._present(row[name], name, inputs, ()) for row in rows]) for name in wrt}

    def push(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> dict[str, Array]:
        """Return J u for each of K tangents (K, *tensor), as arrays (K, *output)."""
        count = len(next(iter(tangents.values())))
        if self.can("jvps"):
            with self._refusing("jvps", count), self._counted(inputs, count):
                found = self.model.jvps(inputs, tangents, of)
                return {name: found[name] for name in of}
        rows = []
        for k in range(count):
            with self._counted(inputs, 1):
                rows.append(
                    self.model.jvp(inputs, {name: np.array(u[k], order="C") for name, u in tangents.items()})[1]
                )
        return {name: np.stack([row[name] for row in rows]) for name in of}

    def _present(self, found: Array | None, name: str, inputs: Tensors, lead: tuple[int, ...]) -> Array:
        """A missing gradient is a zero here: what is asked for is a matrix."""
        if found is not None:
            return found
        like = inputs[name] if name in inputs else self.model.parameters()[name]
        return np.zeros((*lead, *like.shape), like.dtype)

    @contextmanager
    def _counted(self, inputs: Tensors, lanes: int) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.cost.calls += 1
        self.cost.lanes += lanes
        self.cost.lane_steps += lanes * self.sized(inputs)
        self.cost.seconds += time.perf_counter() - started

    @contextmanager
    def _refusing(self, operator: str, count: int) -> Iterator[None]:
        """Within, a refusal is remembered, and what comes after the block goes another way."""
        try:
            yield
        except Unsupported as refusal:
            self.refused[operator] = str(refusal)
            if self.strict and count > 1:
                raise

"""A Jacobian that is asked for many times, or in parts, or only through products: read once, probed once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradassay._errors import UsageError
from gradassay._given import checked, to_arrays
from gradassay._spec import DIFFERENTIABLE, Array, Tensor
from gradassay.jacobians import _sketch, _stream
from gradassay.jacobians._difference import estimated
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._memory import free, refuse
from gradassay.jacobians._result import Jacobian
from gradassay.jacobians._side import Asked, Side
from gradassay.jacobians._source import Source, linear_of
from gradassay.jacobians._way import Way


@dataclass
class Plan:
    """d of / d wrt of one model, ready to be computed, streamed, multiplied or estimated.

    The first call probes what the spec promises, chooses a route, and holds its answer against a plain product;
    later ones take that route at once, with the weights that the model then has.

    Attributes:
        source: the model and its data.
        of, wrt: the elements that are differentiated, and those that they are differentiated by.
        budget: bytes that may be used.
        way: what was found out so far.
    """

    source: Source
    of: Side
    wrt: Side
    budget: int
    way: Way

    @classmethod
    def of_source(cls, source: Source, of: Asked, wrt: Asked, memory: int | None, tune: bool) -> Plan:
        """Read what is asked for.

        Raises:
            UsageError: if there is no such output or input, or it has no such elements.
        """
        table, case = source.case.table, source.case
        outputs = [name for name, tensor in table.items() if tensor.role == "output"]
        able = [name for name in case.tensors if table[name].role in DIFFERENTIABLE]
        _refuse_integers(wrt, table)
        budget = free() // 2 if memory is None else memory
        sides = Side.of(of, table, outputs, "of"), Side.of(wrt, table, able, "wrt")
        return cls(source, *sides, budget, Way(*sides, budget, tune))

    @property
    def name(self) -> str:
        return f"d {self.of} / d {self.wrt}"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.source.case.tensors[self.wrt.name].dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array: an axis that an integer chose is not there."""
        sides = (self.of, self.wrt)
        return tuple(n for side in sides for a, n in enumerate(side.block) if a not in side.squeezed)

    @property
    def size(self) -> int:
        """Bytes of the matrix."""
        return self.of.size * self.wrt.size * self.dtype.itemsize

    def __call__(self, **tensors: object) -> Jacobian:
        """Compute the block.

        Args:
            tensors: other data in the place of those that the plan was made with, of the same shapes and dtype. What
                was probed before is not probed again.

        Raises:
            UsageError: if it does not fit into memory, or data are of another shape.
        """
        refuse(self.name, self.shape, self.size, self.budget, self.source.case.dtype)
        source = self._at(tensors) if tensors else self.source
        linear, started, error = self.linear(), time.perf_counter(), None
        if {"vjp", "jvp"} & source.operators:
            block = self.way.block(source, linear)
            route, why = self.way.name, self.way.why
        else:
            block, error, why = estimated(source, linear, self.way, self.budget)
            route = "finite differences"
        linear.cost.bytes = self.size
        seconds, notes = time.perf_counter() - started, tuple(self.way.notes)
        return Jacobian(source, self.of, self.wrt, block, route, why, notes, linear.cost, seconds, error)

    def linear(self) -> Linear:
        """Return the model as a linear map, with nothing asked of it yet."""
        return linear_of(self.source, self.way.refused)

    def part(self, of: Side) -> Plan:
        """Return the plan of some rows of the block, which may need fewer steps and rows of the call."""
        return replace(self, of=of, way=Way(of, self.wrt, self.budget, self.way.tune, refused=dict(self.way.refused)))

    def vjp(self, cotangent: Array) -> Array:
        """Return v'J for a cotangent of the block's shape on the side of `of`, without the matrix."""
        found: Array = _sketch.pulled(self, np.asarray(cotangent)[None])[0]
        return found

    def jvp(self, tangent: Array) -> Array:
        """Return J u for a tangent of the block's shape on the side of `wrt`, without the matrix."""
        found: Array = _sketch.pushed(self, np.asarray(tangent)[None])[0]
        return found

    def norm(self, samples: int = _sketch.SAMPLES, confidence: float = 0.95, seed: int = 0) -> _sketch.Estimate:
        """Estimate the Frobenius norm from products with random directions, with a confidence interval."""
        return _sketch.frobenius(self, samples, confidence, seed)

    def block_norms(
        self, samples: int = _sketch.SAMPLES, confidence: float = 0.95, seed: int = 0, axis: str = "step"
    ) -> _sketch.Estimates:
        """Estimate the Frobenius norm of every step of `of` by every step of `wrt`, with confidence intervals."""
        return _sketch.by_steps(self, samples, confidence, seed, axis)

    def spectral_norm(self, iterations: int = 20, confidence: float = 0.95, seed: int = 0) -> _sketch.Estimate:
        """Bound the largest singular value from both sides, from products alone."""
        return _sketch.spectral(self, iterations, confidence, seed)

    def into(self, path: str | Path) -> _stream.Streamed:
        """Write the block to a `.npy` file, part by part; what a run before has written is kept."""
        return _stream.stream(self, path)

    def _at(self, tensors: Mapping[str, object]) -> Source:
        case = self.source.case
        given = to_arrays(tensors, ())
        if strange := [name for name in given if name not in case.inputs]:
            raise UsageError(f"{strange[0]} is none of the plan's data: {', '.join(case.inputs)}")
        data = {**case.tensors, **checked(given, case.table, case.dtype, rounded=False)}
        return replace(self.source, case=replace(case, tensors=data))


def _refuse_integers(wrt: Asked, table: Mapping[str, Tensor]) -> None:
    name: Any = wrt if isinstance(wrt, str) else wrt[0]
    if name in table and table[name].role in ("index", "mask"):
        kind = "integers" if table[name].role == "index" else "a mask"
        raise UsageError(f"wrt: {name} is {kind}: nothing is differentiated by it")

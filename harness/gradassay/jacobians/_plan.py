"""A Jacobian that is asked for many times: read, probed and routed once, then computed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradassay._backend import Unsupported
from gradassay._errors import UsageError
from gradassay._given import checked, to_arrays
from gradassay._oracle import Oracle, Query
from gradassay._spec import DIFFERENTIABLE, Array
from gradassay._structure import Structure
from gradassay._words import Words
from gradassay.jacobians import _sketch, _stream
from gradassay.jacobians._difference import difference, rounding
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._memory import free, refuse
from gradassay.jacobians._piece import Piece, inputs_of, reduced, whole
from gradassay.jacobians._probe import disagreement, plainly, probes
from gradassay.jacobians._result import Jacobian
from gradassay.jacobians._route import Route, routes
from gradassay.jacobians._side import Asked, Side
from gradassay.jacobians._source import Source, linear_of

DIRECTIONS = 4  # a quarter of the memory that may be used holds the directions of one call
CONTENDERS = 4  # routes that are timed where the fastest is asked for


@dataclass
class Plan:
    """d of / d wrt of one model, ready to be computed, streamed, multiplied or estimated.

    The first call probes what the spec promises, chooses a route, and holds its answer against a plain product;
    later ones go that way at once, with the weights that the model then has.

    Attributes:
        source: the model and its data.
        of, wrt: the elements that are differentiated, and those that they are differentiated by.
        budget: bytes that may be used.
        tune: whether the cheapest few routes are timed, rather than estimated alone.
        notes: what was found on the way: a promise that does not hold, a refusal of the backend.
    """

    source: Source
    of: Side
    wrt: Side
    budget: int
    tune: bool = False
    notes: list[str] = field(default_factory=list)
    _route: Route | None = None
    _piece: Piece | None = None
    _why: str = ""
    _refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_source(cls, source: Source, of: Asked, wrt: Asked, memory: int | None, tune: bool) -> Plan:
        table, case = source.case.table, source.case
        outputs = [name for name, tensor in table.items() if tensor.role == "output"]
        able = [name for name in case.tensors if table[name].role in DIFFERENTIABLE]
        _refuse_integers(wrt, table)
        budget = free() // 2 if memory is None else memory
        return cls(source, Side.of(of, table, outputs, "of"), Side.of(wrt, table, able, "wrt"), budget, tune)

    @property
    def name(self) -> str:
        return f"d {self.of} / d {self.wrt}"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.source.case.tensors[self.wrt.name].dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the array: an axis that an integer chose is not there."""
        sides = (self.of, self.wrt)
        return tuple(n for side in sides for a, n in enumerate(side.block) if a not in side.squeezed)

    @property
    def size(self) -> int:
        """Return the bytes of the matrix."""
        return self.of.size * self.wrt.size * self.dtype.itemsize

    def __call__(self, **tensors: object) -> Jacobian:
        """Compute the block.

        Args:
            tensors: other data in the place of those that the plan was made with, of the same shapes and dtype.

        Raises:
            UsageError: if it does not fit into memory, or data are of another shape.
        """
        refuse(self.name, self.shape, self.size, self.budget, self.source.case.dtype)
        if tensors:
            return replace(self, source=self._at(tensors), notes=list(self.notes))()
        started = time.perf_counter()
        linear = self.linear()
        if not self._route and not self.estimates:
            block = self._prepare(linear)
        else:
            block = self._zeros()
            self._fill(linear, block)
        error = self._differences(linear, block) if self.estimates else None
        linear.cost.bytes = self.size
        seconds = time.perf_counter() - started
        route = self._route.name if self._route else "nothing depends" if self._nothing else "differences"
        return Jacobian(
            source=self.source,
            of=self.of,
            wrt=self.wrt,
            block=block,
            route=route,
            why=self._why,
            notes=tuple(self.notes),
            cost=linear.cost,
            seconds=seconds,
            error=error,
        )

    @property
    def estimates(self) -> bool:
        """Whether the backend has a forward pass alone, so that differences are all there is."""
        return not {"vjp", "jvp"} & self.source.operators

    @property
    def _nothing(self) -> bool:
        return self._piece is not None and self._piece.nothing

    def linear(self) -> Linear:
        """Return the model as a linear map, with nothing asked of it yet."""
        return linear_of(self.source, self._refused)

    def vjp(self, cotangent: Array) -> Array:
        """Return v'J for a cotangent of the block's shape on the side of `of`, without the matrix."""
        return _sketch.pulled(self, np.asarray(cotangent)[None])[0]

    def jvp(self, tangent: Array) -> Array:
        """Return J u for a tangent of the block's shape on the side of `wrt`, without the matrix."""
        return _sketch.pushed(self, np.asarray(tangent)[None])[0]

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

    def into(self, path: str) -> _stream.Streamed:
        """Write the block to a `.npy` file, part by part; what a run before has written is kept."""
        return _stream.stream(self, path)

    # --- what the first call does

    def _prepare(self, linear: Linear) -> Array:
        """Probe the promises, choose a route, and return its block, held against a plain product."""
        case, words = self.source.case, Words(0, "jacobian")
        structure = self._confirmed(linear, words)
        for attempt in (structure, Structure()):
            self._choose(linear, attempt)
            block = self._tried(linear)
            fault = disagreement(linear, self.of, self.wrt, case.inputs, block, case.dtype, words)
            if not fault:
                return block
            self.notes.append(f"{self._route.name if self._route else 'zero by the promises'} was dropped: {fault}")
        with plainly(linear):  # the batched operators themselves are wrong
            self._choose(linear, Structure())
            self._refused = dict(linear.refused)
            return self._tried(linear)

    def _confirmed(self, linear: Linear, words: Words) -> Structure:
        """Return what the spec promises without what this model breaks."""
        structure = self.source.structure
        piece = self._whole(structure)
        if piece.nothing or not (structure.rows or structure.causal):
            return structure
        for promise, fault in probes(linear, piece, self.source.case.inputs, words):
            self.notes.append(f"the spec promises otherwise, but {fault}: not used")
            structure = replace(structure, rows="") if promise == "rows" else replace(structure, causal="", carried={})
        return structure

    def _whole(self, structure: Structure) -> Piece:
        case = self.source.case
        return whole(case.spec, case.config, case.call, self.of, self.wrt, structure)

    def _choose(self, linear: Linear, structure: Structure) -> None:
        piece = self._piece = reduced(self._whole(structure))
        self._route = None
        self._why = f"no element of {self.of} depends on any of {self.wrt}: so the spec says, and a product confirms"
        if piece.nothing or self.estimates:
            return
        found = self._routes(linear, piece)
        if not found:
            raise UsageError(f"{self.source.name} has neither a VJP nor a JVP, and is not differentiated")
        self._route = found[0]
        others = next((r for r in found if r.name.split(",")[0] != found[0].name.split(",")[0]), None)
        beside = f"; {others.name} would take {others.work / found[0].work:.3g} times as long" if others else ""
        self._why = f"{found[0].words}{self._cut(piece)}; the cheapest by estimate{beside}"

    def _routes(self, linear: Linear, piece: Piece) -> list[Route]:
        parameters = sum(array.size for array in self.source.case.parameters.values())
        return routes(linear, piece, max(parameters, 1), self.dtype.itemsize, self.budget // DIRECTIONS)

    def _cut(self, piece: Piece) -> str:
        """Say what was left out."""
        original, said = self._whole(self.source.structure), []
        if piece.structure.causal and piece.window != (0, original.steps):
            said.append(f"steps {piece.window[0]} to {piece.window[1] - 1} of {original.steps}")
        if piece.structure.rows and piece.rows != original.rows:
            said.append(f"{piece.rows} of {original.rows} rows")
        return f" (only {' and '.join(said)}: nothing else counts)" if said else ""

    def _tried(self, linear: Linear) -> Array:
        """Return the block by the chosen route; where the backend refuses it, by the next."""
        if self._route is not None and self.tune:
            self._timed(linear)
        while True:
            block = self._zeros()
            linear.strict = self._route is not None and self._route.batched
            try:
                self._fill(linear, block)
            except Unsupported as refusal:
                self.notes.append(f"{self.source.name} refuses: {refusal}")
                assert self._piece is not None  # it was chosen for one
                self._choose(linear, self._piece.structure)
                continue
            finally:
                linear.strict = False
                self._refused = dict(linear.refused)
            return block

    def _timed(self, linear: Linear) -> None:
        """Run the cheapest few routes twice, and keep the fastest."""
        assert self._piece is not None  # a route was chosen for it
        taken: dict[str, float] = {}
        contenders = _different(self._routes(linear, self._piece))[:CONTENDERS]
        for route in contenders:
            self._route, linear.strict = route, route.batched
            try:
                for _ in range(3):  # the first compiles
                    started = time.perf_counter()
                    self._fill(linear, self._zeros())
                    taken[route.name] = min(
                        taken.get(route.name, np.inf) if _ > 1 else np.inf, time.perf_counter() - started
                    )
            except Unsupported as refusal:
                taken.pop(route.name, None)
                self.notes.append(f"{self.source.name} refuses {route.name}: {refusal}")
            finally:
                linear.strict = False
        if not taken:
            self._choose(linear, self._piece.structure)
            return
        best = min(taken, key=lambda name: taken[name])
        self._route = next(route for route in contenders if route.name == best)
        told = ", ".join(
            f"{name} {1e3 * seconds:.3g} ms" for name, seconds in sorted(taken.items(), key=lambda i: i[1])
        )
        self._why = f"{self._route.words}{self._cut(self._piece)}; the fastest when timed: {told}"

    def _fill(self, linear: Linear, block: Array) -> None:
        if self._route is not None:
            assert self._piece is not None  # it was chosen for one
            inputs = inputs_of(self._piece, self.source.case.inputs, linear)
            self._route.run(linear, self._piece, inputs, block)

    def _differences(self, linear: Linear, block: Array) -> Array:
        """Fill the block with finite differences and return the error bars."""
        case = self.source.case
        if self._piece is None:
            self._piece = reduced(self._whole(self._confirmed(linear, Words(0, "jacobian"))))
        error = np.zeros(block.shape)
        if not self._nothing:
            inputs = inputs_of(self._piece, case.inputs, linear)
            lanes = max(
                1, int(self.budget // DIRECTIONS // (16 * self.dtype.itemsize * sum(a.size for a in inputs.values())))
            )
            h = difference(linear, self._piece, inputs, block, error, lanes, case.dtype)
            truth = Oracle().ask(case, Query("vjp", cotangents=case.cotangents, wrt=(self.wrt.name,)))[self.of.name]
            error += rounding(self.of.pick(truth.sigma), len(self.wrt.block), h)
            self._why = (
                f"a forward pass alone: central differences with steps {2 * h:.3g} and {h:.3g}, each entry with an "
                "error bar (95%: two noise scales of the outputs, and how far the two steps are apart)"
            )
        return error

    def _zeros(self) -> Array:
        return np.zeros(self.of.block + self.wrt.block, self.dtype)

    def _at(self, tensors: Mapping[str, object]) -> Source:
        case = self.source.case
        given = to_arrays(tensors, ())
        if strange := [name for name in given if name not in case.inputs]:
            raise UsageError(f"{strange[0]} is none of the plan's data: {', '.join(case.inputs)}")
        data = {**case.tensors, **checked(given, case.table, case.dtype, rounded=False)}
        return replace(self.source, case=replace(case, tensors=data))


def _different(found: list[Route]) -> list[Route]:
    """Return the best of each kind first, then the others: what is timed should not be one route in many lengths."""
    kinds = {route.name.partition(", stretches")[0]: route for route in reversed(found)}
    best = sorted(kinds.values(), key=lambda route: route.work)
    return [*best, *(route for route in found if route not in best)]


def _refuse_integers(wrt: Asked, table: Mapping[str, Any]) -> None:
    name = wrt if isinstance(wrt, str) else wrt[0]
    if name in table and table[name].role in ("index", "mask"):
        kind = "integers" if table[name].role == "index" else "given data"
        raise UsageError(f"wrt: {name} is {kind} ({table[name].role}): nothing is differentiated by it")

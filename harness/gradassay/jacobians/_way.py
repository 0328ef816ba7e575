"""How one block is come by: promises probed, a route chosen, its answer held against a plain product."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradassay._backend import Unsupported
from gradassay._spec import Array, Tensors
from gradassay._structure import Structure
from gradassay._words import Words
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._piece import Piece, inputs_of, reduced, whole
from gradassay.jacobians._probe import disagreement, plainly, probes
from gradassay.jacobians._route import Route, routes
from gradassay.jacobians._side import Side
from gradassay.jacobians._source import Source

DIRECTIONS = 4  # a quarter of the memory that may be used holds the directions of one call
CONTENDERS = 4  # routes that are timed where the fastest is asked for
TIMES = 3  # that each of them is run; the first time may compile
PLAIN = Structure()  # no promise at all


@dataclass
class Way:
    """The way to d of / d wrt of one source: found by the first call, and taken by later ones.

    Attributes:
        piece: the part of the call that counts.
        route: how its block is filled; None where nothing depends on anything.
        why: the choice in words.
        notes: what was found: a promise that does not hold, an answer that was dropped.
        refused: what the backend has refused, with its reasons.
    """

    of: Side
    wrt: Side
    budget: int
    tune: bool
    piece: Piece | None = None
    route: Route | None = None
    why: str = ""
    notes: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.route.name if self.route else "nothing depends"

    def block(self, source: Source, linear: Linear) -> Array:
        """Return the block, of shape (*of.block, *wrt.block)."""
        if self.piece is None:
            return self._found(source, linear)
        return self._fill(source, linear)

    def confirm(self, source: Source, linear: Linear) -> Piece:
        """Return the part of the call that counts, by what the spec promises and this model keeps."""
        structure = source.structure
        if structure.rows or structure.causal:
            original = self._whole(source, structure)
            for promise, fault in probes(linear, original, source.case.inputs, Words(0, "jacobian")):
                self.notes.append(f"a promise of the spec is not used, since {fault}")
                kept = {"rows": ""} if promise == "rows" else {"causal": "", "carried": {}}
                structure = replace(structure, **kept)
        return reduced(self._whole(source, structure))

    def _found(self, source: Source, linear: Linear) -> Array:
        case, words = source.case, Words(0, "jacobian")
        for piece in (self.confirm(source, linear), reduced(self._whole(source, PLAIN))):
            self._choose(source, linear, piece)
            block = self._tried(source, linear)
            fault = disagreement(linear, self.of, self.wrt, case.inputs, block, case.dtype, words)
            if not fault:
                return block
            self.notes.append(f"what came by '{self.name}' was dropped: {fault}")
        with plainly(linear):  # then the batched operators themselves are wrong
            self._choose(source, linear, reduced(self._whole(source, PLAIN)))
            return self._tried(source, linear)

    def _whole(self, source: Source, structure: Structure) -> Piece:
        case = source.case
        return whole(case.spec, case.config, case.call, self.of, self.wrt, structure)

    def _routes(self, source: Source, linear: Linear, piece: Piece) -> list[Route]:
        parameters = sum(array.size for array in source.case.parameters.values())
        return routes(linear, piece, max(parameters, 1), _dtype(source, self.wrt).itemsize, self.budget // DIRECTIONS)

    def _choose(self, source: Source, linear: Linear, piece: Piece) -> None:
        self.piece, self.route = piece, None
        self.why = f"no element of {self.of} depends on any of {self.wrt}: so the spec says, and a product confirms"
        if piece.nothing:
            return
        found = self._routes(source, linear, piece)
        self.route = found[0]
        other = next((route for route in found if route.kind != found[0].kind), None)
        beside = f"; {other.name}: {other.work / found[0].work:.3g} times as much" if other else ""
        self.why = f"{found[0].words}{self._cut(source)}; the least work by estimate{beside}"

    def _cut(self, source: Source) -> str:
        """Say what was left out."""
        piece, original, said = self.piece, self._whole(source, source.structure), []
        assert piece is not None  # it has just been chosen for
        if piece.structure.causal and piece.window != (0, original.steps):
            said.append(f"steps {piece.window[0]} to {piece.window[1] - 1} of {original.steps}")
        if piece.structure.rows and piece.rows != original.rows:
            said.append(f"{piece.rows} of {original.rows} rows")
        return f" (only {' and '.join(said)}: nothing else counts)" if said else ""

    def _tried(self, source: Source, linear: Linear) -> Array:
        """Return the block by the chosen route; where the backend refuses it, by the next."""
        assert self.piece is not None  # it was chosen
        if self.route is not None and self.tune:
            self._timed(source, linear, self.piece)
        while True:
            try:
                block = self._fill(source, linear)
            except Unsupported:  # remembered by `linear`: it is not among the routes now
                self._choose(source, linear, self.piece)
                continue
            self.refused = dict(linear.refused)
            return block

    def _timed(self, source: Source, linear: Linear, piece: Piece) -> None:
        """Run the best few routes, and keep the fastest."""
        taken: dict[str, float] = {}
        contenders = _contenders(self._routes(source, linear, piece))
        for route in contenders:
            self.route = route
            try:
                for number in range(TIMES):
                    started = time.perf_counter()
                    self._fill(source, linear)
                    spent = time.perf_counter() - started
                    taken[route.name] = spent if number < 2 else min(spent, taken[route.name])
            except Unsupported:  # as in `_tried`
                taken.pop(route.name, None)
        if not taken:
            self._choose(source, linear, piece)
            return
        best = min(taken, key=lambda name: taken[name])
        self.route = next(route for route in contenders if route.name == best)
        told = ", ".join(
            f"{name} {1e3 * spent:.3g} ms" for name, spent in sorted(taken.items(), key=lambda one: one[1])
        )
        self.why = f"{self.route.words}{self._cut(source)}; the fastest when timed: {told}"

    def _fill(self, source: Source, linear: Linear) -> Array:
        zeros = self._zeros(source)
        if self.route is None or self.piece is None:
            return zeros
        linear.strict = self.route.batched
        try:
            inputs: Tensors = inputs_of(self.piece, source.case.inputs, linear)
            return self.route.run(linear, self.piece, inputs, zeros)
        finally:
            linear.strict = False

    def _zeros(self, source: Source) -> Array:
        return np.zeros(self.of.block + self.wrt.block, _dtype(source, self.wrt))


def _dtype(source: Source, wrt: Side) -> np.dtype[np.generic]:
    return np.dtype(source.case.tensors[wrt.name].dtype)


def _contenders(found: Sequence[Route]) -> list[Route]:
    """Return the best of each kind, then others: what is timed should not be one kind in many lengths."""
    best: dict[str, Route] = {}
    for route in found:
        best.setdefault(route.kind, route)
    chosen = list(best.values())
    return [*chosen, *(route for route in found if route not in chosen)][:CONTENDERS]

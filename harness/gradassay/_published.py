"""A published vector: a case with its truth and its noise, which serve anybody and are computed by nobody again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from gradassay import _limits
from gradassay._adoption import same
from gradassay._arithmetic import Float64
from gradassay._cache import key
from gradassay._case import Case
from gradassay._evaluate import evaluate
from gradassay._judge import noise_units
from gradassay._oracle import Oracle, Query, Reference
from gradassay._spec import Array, Tensors

PARTS = ("high", "low", "radius", "zero", "sigma")


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one reference beside its numbers; see `Reference`."""

    blind: str
    overflow: bool
    rung: str
    bits: int
    roundoff: float


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of the truth in it.

    `limits` is the version of the limits that the noise is made for; `digest` a hash of the case, the truth and the
    noise: whoever changes a number by accident, or with a tool that knows no better, is found out.
    """

    limits: str
    digest: str
    facts: dict[str, Facts]


class UnsoundError(Exception):
    """A truth that is not what it should be: the message says in what."""


@dataclass(frozen=True)
class Truth:
    """Truth and noise of the outputs of a case ("y") and of its gradients ("d x"), for the case's own cotangents."""

    references: Mapping[str, Reference]

    @classmethod
    def of(cls, case: Case, oracle: Oracle | None = None) -> Truth:
        """Compute it, or take it from the cache."""
        return cls((oracle or Oracle()).ask(case, question(case)))

    def tensors(self) -> dict[str, Array]:
        """Return its numbers, by "name|part"."""
        return {
            f"{name}|{part}": np.asarray(getattr(reference, part)).astype(np.uint8 if part == "zero" else np.float64)
            for name, reference in self.references.items()
            for part in PARTS
        }

    def seal(self, case: Case) -> Seal:
        """Return what a file should say of it."""
        names = Facts.__struct_fields__
        facts = {name: Facts(*(getattr(r, field) for field in names)) for name, r in self.references.items()}
        return Seal(_limits.VERSION, _digest(case, facts, self.tensors()), facts)

    @classmethod
    def opened(cls, case: Case, seal: Seal, tensors: Tensors) -> Truth:
        """Return the truth that a file holds, if it is sound.

        Beside the seal, which a forger can make, its numbers are held against the equations: evaluated in float64, they
        are as right an answer as any, and lie within the noise of what is true.

        Raises:
            UnsoundError: if it was changed, is of other limits, is not all there, or is not that of the equations.
        """
        if seal.limits != _limits.VERSION:
            raise UnsoundError(
                f"is of version {seal.limits} of the limits; here it is {_limits.VERSION}: publish it again"
            )
        wanted = {f"{name}|{part}": shape for name, shape in _shapes(case).items() for part in PARTS}
        if {name: array.shape for name, array in tensors.items()} != wanted or set(_shapes(case)) != set(seal.facts):
            odd = sorted(set(wanted) ^ set(tensors)) or sorted(n for n in wanted if tensors[n].shape != wanted[n])
            raise UnsoundError(f"does not fit its case{f', in {odd[0]}' if odd else ''}: publish it again")
        if _digest(case, seal.facts, tensors) != seal.digest:
            raise UnsoundError("was changed after it was published: its numbers are not those that were sealed")
        references = {
            name: Reference(
                high=tensors[f"{name}|high"].astype(np.float64),
                low=tensors[f"{name}|low"].astype(np.float64),
                radius=tensors[f"{name}|radius"].astype(np.float64),
                zero=tensors[f"{name}|zero"].astype(np.bool_),
                sigma=tensors[f"{name}|sigma"].astype(np.float64),
                **msgspec.structs.asdict(facts),
            )
            for name, facts in seal.facts.items()
        }
        _vouch(case, references)
        return cls(references)


def question(case: Case) -> Query:
    """Return what a published vector answers: outputs, and the gradients of everything for the case's cotangents."""
    return Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)


class PublishedOracle(Oracle):
    """Answers from a published truth where the question is the one that was published, and computes all else."""

    def __init__(self, *arguments: Any, published: tuple[Case, Truth] | None = None) -> None:
        super().__init__(*arguments)
        self._published = {} if published is None else {_about(published[0], question(published[0])): published[1]}

    def ask(self, case: Case, query: Query) -> dict[str, Reference]:
        if self._published and query == Query("vjp", cotangents=query.cotangents, wrt=query.wrt):
            truth = self._published.get(_about(case, query))
            if truth is not None:
                return dict(truth.references)
        return super().ask(case, query)


def _about(case: Case, query: Query) -> str:
    """Return a hash of what is asked about which numbers: not of what a case is called, nor of any order."""
    return key(
        case.spec.name,
        case.spec.version,
        repr(case.config),
        repr(case.call),
        case.dtype,
        dict(case.tensors),
        dict(query.cotangents),
        sorted(query.wrt),
    )


def difference(case: Case, other: Case) -> str:
    """Say in what the question of one case is not that of the other; empty if the truth of one is that of both."""
    facts = ("spec", "configuration", "call", "dtype")
    told = [(c.spec.name, str(c.config), str(c.call), c.dtype) for c in (case, other)]
    for what, a, b in zip(facts, *told, strict=True):
        if a != b:
            return f"the {what} is {a}, there {b}"
    if set(case.differentiable) != set(other.differentiable):
        return f"what is differentiated is {', '.join(case.differentiable)}, there {', '.join(other.differentiable)}"
    for what, mine, theirs in (("", case.tensors, other.tensors), ("cotangent of ", case.cotangents, other.cotangents)):
        for name in {**mine, **theirs}:
            if name not in mine or name not in theirs or not same(mine[name], theirs[name]):
                return f"{what}{name} is another"
    return ""


def _digest(case: Case, facts: Mapping[str, Facts], tensors: Tensors) -> str:
    return key(
        _about(case, question(case)), _limits.VERSION, msgspec.to_builtins(dict(sorted(facts.items()))), dict(tensors)
    )


def _shapes(case: Case) -> dict[str, tuple[int, ...]]:
    asked = [(name, name) for name in case.outputs] + [(f"d {name}", name) for name in case.differentiable]
    return {name: case.table[tensor].shape for name, tensor in asked}


def _vouch(case: Case, references: Mapping[str, Reference]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range is blind, and not looked at
        computed = evaluate(Float64(), case, question(case))
    for name, reference in references.items():
        parts = (reference.high, reference.low, reference.radius, reference.sigma)
        numbers = all(np.isfinite(part).all() for part in parts) and (reference.sigma >= 0.0).all()
        wide = not reference.blind and (reference.radius > _limits.RADIUS * reference.sigma).any()
        if reference.blind:
            continue
        if not numbers or wide or (reference.radius < 0.0).any():
            raise UnsoundError(f"has no sound numbers for {name}: publish it again")
        z = np.abs(noise_units(np.asarray(computed[name], dtype=np.float64), reference))
        if z.size and not z.max() <= _limits.max_limit(z.size):
            raise UnsoundError(
                f"is not that of the equations: {name} evaluated in float64 is {z.max():.2g} noise units away"
            )

"""What a model is: a record of functions over labelled tensors. The harness knows specs only through this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np

from gradassay._structure import Structure

if TYPE_CHECKING:
    from gradassay._fault import Fault
    from gradassay._ops import Ops, Value
    from gradassay._property import Property
    from gradassay._words import Words

Array = np.ndarray[Any, np.dtype[Any]]
Tensors = Mapping[str, Array]
Role = Literal["input", "state", "parameter", "mask", "index", "output"]

DIFFERENTIABLE: frozenset[Role] = frozenset({"input", "state", "parameter"})

Config = TypeVar("Config")
Call = TypeVar("Call")


@dataclass(frozen=True)
class Axis:
    """One labelled axis: `Axis("gate", 4, ("i", "f", "g", "o"))`."""

    name: str
    size: int
    labels: tuple[str, ...] = ()

    def label(self, position: int) -> str:
        return self.labels[position] if self.labels else str(position)


@dataclass(frozen=True)
class Tensor:
    """A named tensor of a model; each dimension of the array is a product of labelled axes.

    The roles "input", "state" and "parameter" are differentiated; a "mask" is real data that is
    not (a dropout mask); an "index" is integers (lengths, tokens); an "output" is what comes out.
    """

    name: str
    role: Role
    axes: tuple[tuple[Axis, ...], ...]
    where: Mapping[str, int | str] = field(default_factory=dict)
    optional: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(prod(axis.size for axis in group) for group in self.axes)

    def locate(self, index: Sequence[int]) -> dict[str, str]:
        """Name an element in words: `{"layer": "1", "gate": "f", "unit": "3", "feature": "0"}`."""
        words = {key: str(value) for key, value in self.where.items()}
        for group, flat in zip(self.axes, index, strict=True):
            positions = (flat,) if len(group) == 1 else _unravelled(flat, group)
            for axis, position in zip(group, positions, strict=True):
                words[axis.name] = axis.label(int(position))
        return words


def _unravelled(flat: int, group: tuple[Axis, ...]) -> tuple[Any, ...]:
    return np.unravel_index(flat, tuple(axis.size for axis in group)) if group else ()


@dataclass(frozen=True)
class CaseTemplate:
    """A named case of a suite, before a dtype is chosen: everything that decides its numbers."""

    name: str
    config: Any
    call: Any
    regime: str
    seed: int
    question: str = ""
    pool: bool = False  # small enough, and rarely enough of another shape, for compiled modes
    thorough: bool = False  # asked also what costs several calls, or a second derivative
    # What to ask beside values and gradients; each property reads its own keys.
    ask: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec(Generic[Config, Call]):
    """A model: its tensors, its equations, how to draw data for it, and what may go wrong with it.

    `config` is the type of what loading a model needs (sizes, layers); `call` is the type of what
    changes between calls (batch, steps, lengths, absent states). Both are frozen `msgspec.Struct`s.
    """

    name: str
    version: str
    config: type[Config]
    call: type[Call]
    tensors: Callable[[Config, Call], Sequence[Tensor]]
    equations: Callable[[Ops, Config, Call, Mapping[str, Value]], Mapping[str, Value]]
    draw: Callable[[Config, Call, str, Words], dict[str, Array]]
    features: Callable[[Config, Call], frozenset[str]]
    regimes: tuple[str, ...]
    suites: Callable[[], Mapping[str, tuple[CaseTemplate, ...]]]
    call_of: Callable[[Config, Tensors], Call]  # which call a set of given tensors makes
    vary: Callable[[Config, Call], Call]  # a call of another shape, with the same features
    properties: tuple[Property, ...] = ()
    faults: tuple[Fault, ...] = ()
    benign: tuple[Fault, ...] = ()  # other ways to compute the same, which no property may accuse
    # Further ways to be wrong that a diagnosis tries on a configuration: conventions, mostly, too many for a catalogue.
    hypotheses: Callable[[Config], Sequence[Fault]] = lambda config: ()
    # A Hypothesis strategy of templates whose features are all among those given, of these regimes (all, if none).
    strategy: Callable[[frozenset[str], tuple[str, ...]], Any] | None = None
    # Which entries of a Jacobian are zero by the equations, and how a call is cut: nothing is promised by default.
    structure: Callable[[Config, Call], Structure] = lambda config, call: Structure()

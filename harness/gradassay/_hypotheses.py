"""Which ways to be wrong are tried on a case: the spec's catalogue, its further hypotheses, and some of any model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gradassay._backend import Model
from gradassay._case import Case
from gradassay._fault import Fault
from gradassay._property import Finding
from gradassay._spec import Array, Tensors


class _Deaf:
    """A model that does not pass on what arrives at some outputs."""

    def __init__(self, model: Any, outputs: frozenset[str]) -> None:
        self.model, self.outputs = model, outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def _heard(self, cotangents: Tensors) -> Tensors:
        return {n: np.zeros_like(v) if n in self.outputs else v for n, v in cotangents.items()}

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        found: tuple[Tensors, Mapping[str, Array | None]] = self.model.vjp(inputs, self._heard(cotangents), wrt)
        return found

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        found: Mapping[str, Array | None] = self.model.hvp(inputs, self._heard(cotangents), tangents, wrt)
        return found


def hypotheses(case: Case) -> list[Fault]:
    """Return every way to be wrong that a case can show, each name and each sentence once, the catalogue's first."""
    every = (*case.spec.faults, *case.spec.hypotheses(case.config), *_unheard(case))
    said = {fault.sentence: fault for fault in reversed(every) if may_show(fault, case)}
    return list({fault.name: fault for fault in reversed(said.values())}.values())


def may_show(fault: Fault, case: Case) -> bool:
    """Say whether a fault can be tried here: a case has the dtype, the features and the sizes that it needs."""
    sizes: dict[str, int] = {}
    for axis in (axis for tensor in case.table.values() for group in tensor.axes for axis in group):
        sizes[axis.name] = max(axis.size, sizes.get(axis.name, 0))
    return (
        not fault.ends_process  # it would end this one
        and case.dtype in (fault.dtypes or {case.dtype})
        and fault.needs <= case.features
        and all(sizes.get(name, 0) >= least for name, least in (fault.minimum or {}).items())
    )


def likely(faults: Iterable[Fault], wrong: Sequence[tuple[str, Finding]], case: Case, asked: set[str]) -> list[Fault]:
    """Leave out what cannot be: faults that show in a tensor that is right, or that only other properties can see.

    Args:
        wrong: property and finding of everything that failed.
        asked: the properties that were.
    """
    tensors = {part for _, f in wrong for part in f.tensor.replace("/", " ").split() if part in case.table}
    statements = any(f.tensor not in case.table for _, f in wrong if f.got is None)
    failing = {name for name, _ in wrong}

    def may_be(fault: Fault) -> bool:
        shows = {name for name in fault.shows_in if name in case.table}
        seen = not fault.seen_by or bool(fault.seen_by & failing) or not fault.seen_by & asked
        return statements or (seen and shows <= tensors)

    return [fault for fault in faults if may_be(fault)]


def _unheard(case: Case) -> Iterator[Fault]:
    """The gradient that arrives at some of the outputs is lost."""
    names = tuple(name for name in case.outputs if name in case.cotangents)
    for many in range(1, len(names)):
        for lost in combinations(names, many):
            said = " and ".join(lost)
            yield Fault(
                f"unheard-{'-'.join(lost)}",
                f"the gradient that arrives at {said} is not passed on",
                "none known",
                (),
                wrap=_deafened(frozenset(lost)),
            )


def _deafened(outputs: frozenset[str]) -> Any:
    def wrapped(dtype: str, model: Model) -> Any:
        return _Deaf(model, outputs)

    return wrapped

"""A state that is not given counts as zeros: both, or one of the two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay._session import BackendError
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import carried, made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _pairs(case: Case) -> Iterator[tuple[tuple[str, ...], Case, Case]]:
    """Yield the names of states, the case with zeros for them, and the case without: what is absent stays absent."""
    shapes = {state: case.table[output].shape for output, state in carried(case).items()}
    there = {name for name in shapes if name in case.tensors}
    for names in (names for count in range(len(shapes), 0, -1) for names in combinations(shapes, count)):
        if not shapes.keys() - there <= set(names):
            continue
        zeros = {name: np.zeros(shapes[name], case.tensors["x"].dtype) for name in names}
        given = msgspec.structs.replace(case.call, **dict.fromkeys(shapes, True))
        absent = msgspec.structs.replace(case.call, **{name: name not in names for name in shapes})
        less = {name: array for name, array in case.tensors.items() if name not in names}
        what = " and ".join(names)
        yield names, made(case, f"{what}-zero", less | zeros, call=given), made(case, f"no-{what}", less, call=absent)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    asked, refused = False, ""
    for names, zero, absent in _pairs(case):
        if reason := subject.refusal(absent):
            refused = refused or reason
            continue
        first, second = subject.of(zero).vjp(), subject.of(absent).vjp()
        yield from same(first, second, truth(oracle, absent), absent, f"{' and '.join(names)} not given")
        asked = True
        if subject.mode.compiled:  # it compiles for each set of names
            return
    if not asked:
        raise BackendError("unsupported", refused)


absent_states = Property(
    name="absent_states",
    claim="A state that is not given counts as zeros: both, or either alone.",
    equation="f(x) = f(x, h0 = 0, c0 = 0), f(x, h0) = f(x, h0, c0 = 0), f(x, c0) = f(x, h0 = 0, c0)",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 0 and case.call.steps > 0,
    thorough=True,
    compiles=True,
)

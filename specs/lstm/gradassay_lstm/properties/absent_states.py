"""A state that is not given counts as zeros: both, or one of the two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay._session import BackendError
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _pairs(case: Case) -> Iterator[tuple[tuple[str, ...], Case, Case]]:
    """Yield the names of states, the case with zeros for them, and the case without: what is absent stays absent."""
    there = {name for name in ("h0", "c0") if name in case.tensors}
    for names in (("h0", "c0"), ("h0",), ("c0",)):
        if not {"h0", "c0"} - there <= set(names):
            continue
        dtype = case.tensors["x"].dtype
        widths = {"h0": case.config.state_size, "c0": case.config.hidden_size}
        cells = case.config.num_layers * case.config.directions
        zeros = {name: np.zeros((cells, case.call.batch, widths[name]), dtype) for name in names}
        given = msgspec.structs.replace(case.call, h0=True, c0=True)
        absent = msgspec.structs.replace(case.call, h0="h0" not in names, c0="c0" not in names)
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

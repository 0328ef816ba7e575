"""One array handed over as several parameters has a gradient for each of its uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import right, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

KINDS = ("weight_ih", "weight_hh", "weight_hr", "bias")  # the two biases of a cell are of one kind


def groups(case: Case) -> tuple[tuple[str, ...], ...]:
    """Return the parameters that may be one array: of one kind and one shape."""
    found: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, tensor in case.table.items():
        kind = next((kind for kind in KINDS if name.startswith(kind)), None)
        if tensor.role == "parameter" and kind is not None:
            found.setdefault((kind, tensor.shape), []).append(name)
    return tuple(tuple(names) for names in found.values() if len(names) > 1)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    tied = groups(case)
    first = {name: group[0] for group in tied for name in group}
    one = made(case, "tied", {name: case.tensors[first.get(name, name)] for name in case.tensors})
    yield from right(subject.of(one, tied=tied).vjp(), truth(oracle, one), one, "tied parameters")


tied_ = Property(
    name="tied",
    claim="Parameters that are one array have each a gradient of its own: that of its use, and not of all uses.",
    equation="dL/dw_1 and dL/dw_2 at w_1 = w_2, held in one array, are those of two arrays",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(groups(case)),
    thorough=True,
    compiles=True,
)

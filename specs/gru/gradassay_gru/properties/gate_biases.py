"""Where only the sum of two biases can be told from outputs, both have the same gradient: not where r scales one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property, between, compare
from gradassay_gru._tensors import GATES
from gradassay_lstm._relations import named, scales_of, truth
from gradassay_lstm._variations import taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def alike(case: Case) -> tuple[str, ...]:
    """Return the gates whose biases are only ever added to each other."""
    return GATES[:2] if case.config.reset_after else GATES


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    gradients, scales = subject.vjp().gradients, truth(oracle, case)
    keep = taking(case, {"gate": [GATES.index(gate) for gate in alike(case)]})
    what = "of gates " + ", ".join(alike(case))
    for _, _, suffix in case.config.cells():
        one, other = f"bias_ih{suffix}", f"bias_hh{suffix}"
        first, second, shape = gradients.get(one), gradients.get(other), case.table[one].shape
        if first is None or second is None or first.shape != shape or second.shape != shape:
            yield Finding(one, fault=f"got no two gradients of shape {shape}, so that there is nothing to compare")
            continue
        kept = scales_of({f"d {other}": scales[f"d {other}"]}, case, keep)
        references = between({other: keep(other, first)}, kept, "d ")
        found = compare({other: keep(other, second)}, references, (other,), case, "d ")
        yield from named(found, f"the gradient of {one}, {what}")


gate_biases = Property(
    name="gate_biases",
    claim="The two biases of r and of z have the same gradient, and so have those of n if the reset gate comes first.",
    equation="|dL/db_hh - dL/db_ih| <= limit * sqrt(2) sigma, at r and z; also at n if r comes before the product",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(case.config.bias),
)

"""On the padding of a ragged batch there is nothing: neither an output nor a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, truth
from gradassay_lstm._variations import padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject


def has_padding(case: Case) -> bool:
    lengths = case.call.lengths
    return lengths is not None and any(length < case.call.steps for length in lengths)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = truth(oracle, case)
    asked: list[tuple[str, str, Array | None, str]] = [("y", "y", subject.forward().outputs.get("y"), "y")]
    if "vjp" in subject.operators:
        answer = subject.vjp()
        asked += [("y with gradients", "y", answer.outputs.get("y"), "y"), ("x", "x", answer.gradients.get("x"), "d x")]
    for what, tensor, got, reference in asked:
        label = case.table[tensor]
        if got is None or got.shape != label.shape:
            shape = "nothing" if got is None else f"shape {got.shape}"
            yield Finding(f"{what} on the padding", fault=f"got {shape}; should be of shape {label.shape}")
        else:
            blind = scales[reference].blind if scales[reference].overflow else ""
            yield exactly_zero(f"{what} on the padding", got, padding(case, label), (label,), blind)


padding_zero = Property(
    name="padding_zero",
    claim="On the padding the output is exactly 0, and so is the gradient of the input.",
    equation="y[b, t] = 0 and dL/dx[b, t] = 0 for t >= n_b",
    needs=frozenset({"forward"}),
    check=_check,
    applies=has_padding,
)

"""tanh is odd, and so is the whole network: with data, states and biases negated, everything comes out negated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject

ODD = ("x", "h0", "bias")  # what is negated; with it the outputs are, and so, for the same cotangents, the weights'


def _negated(arrays: Mapping[str, Array | None], names: tuple[str, ...]) -> dict[str, Any]:
    return {n: -array if array is not None and n.startswith(names) else array for n, array in arrays.items()}


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    other = made(case, "negated", _negated(case.tensors, ODD))
    answer = subject.of(other).vjp()
    second = replace(
        answer,
        outputs=_negated(answer.outputs, ("y", "h_n")),
        gradients=_negated(answer.gradients, ("weight",)),
    )
    yield from same(subject.vjp(), second, truth(oracle, case), case, "all data and biases negated")


odd = Property(
    name="odd",
    claim="The network is odd: negated data, states and biases give negated outputs, and the same Jacobian by them.",
    equation="f(-x, -h0, W, -b) = -f(x, h0, W, b); dL/dx, dL/dh0, dL/db are the same there, and dL/dW is negated",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 0 and case.call.steps > 0,
    thorough=True,
)

"""The same question twice: a second answer beside the first, within the noise of a difference of two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradassay._case import Case
from gradassay._oracle import Reference
from gradassay._property import Finding, between, compare
from gradassay._session import Answer


def again(first: Answer, second: Answer, scales: Mapping[str, Reference], case: Case) -> Iterator[Finding]:
    """Set outputs and gradients of a second answer beside the first's; one that the first lacks is a fault.

    Args:
        scales: the certified references of a VJP, for their noise.
    """
    references = between(first.outputs, scales) | between(first.gradients, scales, "d ")
    outputs = tuple(name for name in case.outputs if name in references)
    pulled = tuple(name for name in case.differentiable if f"d {name}" in references)
    for name in (*case.outputs, *case.differentiable):
        if name not in outputs + pulled:
            yield Finding(name, fault="the first answer has no array of its shape, so that there is nothing to repeat")
    yield from compare(second.outputs, references, outputs, case)
    yield from compare(second.gradients, references, pulled, case, prefix="d ")

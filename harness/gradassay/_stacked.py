"""Several answers about one tensor as one finding: stacked along an axis that says which answer it is.

A property that asks the same of many calls would otherwise fill a report with a line for each call and tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradassay._oracle import Reference
from gradassay._property import Finding
from gradassay._spec import Axis, Tensor


def stacked(found: Mapping[str, Sequence[Finding]], what: str, axis: str) -> Iterator[Finding]:
    """Yield one finding for each tensor of which there are arrays, with a leading axis for the answers it came with.

    What cannot stand beside others stands alone, named "x of ANSWER": a fault, and what is blind.

    Args:
        found: what was found in each answer, by the answer in words.
        what: what tells the answers apart, for the place of an element: with "loss" and "sees", "loss sees: h_n".
        axis: the rest of those words.
    """
    together: dict[str, dict[str, Finding]] = {}
    for answer, findings in found.items():
        for finding in findings:
            if finding.got is None or finding.reference is None or finding.reference.blind:
                yield replace(finding, tensor=f"{finding.tensor} of {answer}" if finding.tensor else answer)
            else:
                together.setdefault(finding.tensor, {})[answer] = finding
    for tensor, group in together.items():
        which = Tensor(what, "index", ((Axis(axis, len(group), tuple(group)),),))
        first = next(iter(group.values()))
        got = np.stack([np.asarray(finding.got) for finding in group.values()])
        references = [finding.reference for finding in group.values() if finding.reference is not None]
        yield Finding(tensor, got, _stack(references), (which, *first.labels))


def _stack(references: Sequence[Reference]) -> Reference:
    first = references[0]
    return Reference(
        high=np.stack([reference.high for reference in references]),
        low=np.stack([reference.low for reference in references]),
        radius=np.stack([reference.radius for reference in references]),
        zero=np.stack([reference.zero for reference in references]),
        sigma=np.stack([reference.sigma for reference in references]),
        blind="",
        rung=first.rung,
        bits=max(reference.bits for reference in references),
        roundoff=max(reference.roundoff for reference in references),
    )

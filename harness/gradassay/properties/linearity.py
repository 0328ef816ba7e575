"""A VJP is linear in its cotangent: what clips, normalises or rectifies a gradient on its way is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding, Property, between, compare
from gradassay._spec import Array, Tensors
from gradassay._stacked import stacked
from gradassay._subject import Subject
from gradassay._target import numpy_dtype

EXPONENT = 10
NARROW = 4  # in float16, whose range has no room for more


def factors(case: Case) -> dict[str, float]:
    """Return two powers of two, in words and as numbers, by which no cotangent is rounded.

    The large one is negative: what rectifies a gradient is linear for positive factors.
    """
    up = NARROW if case.dtype == "float16" else EXPONENT
    down = up
    # A small cotangent can become a subnormal number, and lose digits.
    while down and not all(
        np.array_equal(_scale(v, 2.0**-down, case), _wide(v) * 2.0**-down) for v in case.cotangents.values()
    ):
        down -= 1
    return {f"2^-{down}": 2.0**-down, f"-2^{up}": -(2.0**up)}


def halves(case: Case) -> tuple[Tensors, Tensors]:
    """Return every second element of the cotangents, zeros between, and the others likewise: their sum is exact."""
    parts: tuple[dict[str, Array], dict[str, Array]] = {}, {}
    for name, cotangent in case.cotangents.items():
        odd = np.arange(cotangent.size).reshape(cotangent.shape) % 2 == 1
        for part, left_out in zip(parts, (odd, ~odd), strict=True):
            part[name] = np.where(left_out, cotangent.dtype.type(0), cotangent)
    return parts


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    first = between(subject.vjp().gradients, scales, "d ")
    for name in case.differentiable:
        if f"d {name}" not in first:
            yield Finding(name, fault="the first answer has no array of its shape, so that there is nothing to scale")
    found: dict[str, list[Finding]] = {}
    for words, factor in factors(case).items():
        along = {name: _scale(v, factor, case) for name, v in case.cotangents.items()}
        found[f"times {words}"] = list(_scaled(subject, case, oracle, along, factor, first))
    found["in halves"] = list(_added(subject, case, oracle, first, scales))
    yield from stacked(found, "cotangent", "taken")


def _scaled(
    subject: Subject, case: Case, oracle: Oracle, along: Tensors, factor: float, first: Mapping[str, Reference]
) -> Iterator[Finding]:
    """Set the gradients of scaled cotangents, scaled back, beside the first ones.

    A power of two changes no rounding: all bits are the same, unless a number on the way leaves the range of normal
    ones, or a library adds up in another order, since memory is aligned otherwise. Then noise decides, which the oracle
    knows for the scaled cotangents too.
    """
    for finding in compare(subject.vjp(cotangents=along).gradients, first, _names(case, first), case, prefix="d "):
        if finding.got is None or finding.reference is None:
            yield finding
            continue
        back, reference = _wide(finding.got) / factor, finding.reference
        if not np.array_equal(back, reference.high):
            scale = oracle.ask(case, Query("vjp", cotangents=along, wrt=case.differentiable))[f"d {finding.tensor}"]
            sigma = np.hypot(reference.sigma, scale.sigma / abs(factor))
            reference = replace(reference, sigma=sigma, blind=reference.blind or scale.blind)
        yield replace(finding, got=back, reference=reference)


def _added(
    subject: Subject, case: Case, oracle: Oracle, first: Mapping[str, Reference], scales: Mapping[str, Reference]
) -> Iterator[Finding]:
    """Set the sum of the gradients of both halves of the cotangents beside the first ones."""
    names = _names(case, first)
    found: list[list[Finding]] = []
    for part in halves(case):
        truth = oracle.ask(case, Query("vjp", cotangents=part, wrt=case.differentiable))
        found.append(list(compare(subject.vjp(cotangents=part).gradients, truth, names, case, prefix="d ")))
    for name, one, other in zip(names, *found, strict=True):
        if one.got is None or other.got is None or one.reference is None or other.reference is None:
            yield one if one.got is None else other
            continue
        three = (scales[f"d {name}"], one.reference, other.reference)
        reference = replace(
            first[f"d {name}"],
            sigma=np.maximum(np.sqrt(sum(np.square(r.sigma) for r in three)), np.finfo(np.float64).tiny),
            blind=next((r.blind for r in three if r.blind), ""),
        )
        with np.errstate(invalid="ignore"):  # what is not finite is told by the judge
            yield Finding(name, _wide(one.got) + _wide(other.got), reference, one.labels)


def _names(case: Case, first: Mapping[str, Reference]) -> tuple[str, ...]:
    return tuple(name for name in case.differentiable if f"d {name}" in first)


def _wide(array: Array) -> Array:
    return array.astype(np.float64)


def _scale(array: Array, factor: float, case: Case) -> Array:
    return np.asarray((_wide(array) * factor).astype(numpy_dtype(case.dtype)))


linearity = Property(
    name="linearity",
    claim="The VJP is linear in its cotangents: scaled by powers of two it scales, and that of a sum is the sum.",
    equation="J'(s v) = s J'v for s = 2^-10, -2^10; J'(v + w) = J'v + J'w",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)

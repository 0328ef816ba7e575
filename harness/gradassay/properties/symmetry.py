"""The second derivative is symmetric: a check of HVPs that needs no reference value at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradassay._ball import exact_dot
from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property
from gradassay._spec import Tensors
from gradassay._subject import Subject
from gradassay._target import numpy_dtype
from gradassay._words import Words

NAME = "<w, H u>"


def second_direction(case: Case) -> Tensors:
    """Return tangents that are independent of the case's own."""
    words = Words(case.template.seed, case.spec.name, case.template.regime).branch("second tangent")
    return {
        name: words.branch(name).normal(array.shape).astype(numpy_dtype(case.dtype))
        for name, array in case.tangents.items()
    }


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    u, w = case.tangents, second_direction(case)
    one, other = subject.hvp().gradients, subject.hvp(tangents=w).gradients
    for got in (one, other):
        if missing := [n for n in u if (a := got.get(n)) is None or a.shape != case.table[n].shape]:
            fault = f"{missing[0]} has no second derivative of its shape, so that there is no product to compare"
            yield Finding(NAME, fault=fault)
            return
    # Rounded once each, and compared with each other: what they should be is of no account.
    pushed = exact_dot([(a, w[n]) for n in u if (a := one[n]) is not None])
    swapped = exact_dot([(a, u[n]) for n in u if (a := other[n]) is not None])
    query = Query("symmetry", cotangents=case.cotangents, tangents=u, against=w, wrt=tuple(u))
    scale = oracle.ask(case, query)
    this, that = scale[NAME], scale["<u, H w>"]
    sigma = np.maximum(np.hypot(this.sigma, that.sigma), np.finfo(np.float64).tiny)
    reference = replace(
        this,
        high=np.array(swapped),
        low=np.array(0.0),
        radius=np.array(0.0),
        zero=np.zeros((), dtype=bool),
        sigma=sigma,
        blind=this.blind or that.blind,
        overflow=this.overflow or that.overflow,
    )
    yield Finding(NAME, np.array(pushed), reference)


symmetry = Property(
    name="symmetry",
    claim="The second derivative of the loss is symmetric: two directions may change places.",
    equation="<w, H u> = <u, H w>",
    needs=frozenset({"hvp"}),
    check=_check,
    thorough=True,
    compiles=True,
)

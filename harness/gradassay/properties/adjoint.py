"""Forward and reverse mode are each other's adjoint: a check that needs no reference value at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradassay._ball import exact_dot
from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding, Property
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    pushed, pulled = subject.jvp().tangents, subject.vjp().gradients
    names = case.differentiable
    wanted = [(n, pulled) for n in names] + [(n, pushed) for n in case.cotangents]
    if missing := [n for n, got in wanted if (a := got.get(n)) is None or a.shape != case.table[n].shape]:
        fault = f"{missing[0]} has no derivative of its shape, so that there is no product to compare"
        yield Finding("<v, J u>", fault=fault)
        return
    forward = exact_dot([(pushed[n], v) for n, v in case.cotangents.items()])
    reverse = exact_dot([(g, case.tangents[n]) for n in names if (g := pulled[n]) is not None])
    query = Query("adjoint", cotangents=case.cotangents, tangents=case.tangents, wrt=names)
    scale = oracle.ask(case, query)
    sigma = np.hypot(scale["<v, J u>"].sigma, scale["<J'v, u>"].sigma)
    one = scale["<v, J u>"]
    reference = Reference(
        high=np.array(reverse),
        low=np.array(0.0),
        radius=np.array(0.0),
        zero=np.zeros((), dtype=bool),
        sigma=np.maximum(sigma, np.finfo(np.float64).tiny),
        blind=one.blind or scale["<J'v, u>"].blind,
        overflow=one.overflow or scale["<J'v, u>"].overflow,
        rung=one.rung,
        bits=one.bits,
        roundoff=one.roundoff,
    )
    yield Finding("<v, J u>", np.array(forward), reference)


adjoint = Property(
    name="adjoint",
    claim="The product of a cotangent with the JVP equals the product of the VJP with the tangent.",
    equation="<v, J u> = <J'v, u>",
    needs=frozenset({"jvp", "vjp"}),
    check=_check,
    thorough=True,
    compiles=True,
)

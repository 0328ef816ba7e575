"""Integers have no derivative: who asks for one is refused, and gets neither zeros nor None."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._property import Finding, Property
from gradassay._session import BackendError

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

REFUSALS = ("unsupported", "exception")  # a crash is none, nor is what cannot be read


def _asked(subject: Subject, case: Case, name: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every way to ask for a derivative with respect to integers, in words."""
    yield "gradient", lambda: subject.vjp(wrt=(name,)).gradients.get(name)
    if "jvp" in subject.operators:
        along = {name: np.ones(case.tensors[name].shape, case.tensors["table"].dtype)}
        yield "tangent", lambda: subject.jvp(tangents=along).tangents.get("loss")
    if "jacobian" in subject.operators:
        yield "Jacobian", lambda: subject.jacobian("loss", name)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    for name in ("tokens", "targets"):
        for what, ask in _asked(subject, case, name):
            try:
                got = ask()
            except BackendError as error:
                if error.kind not in REFUSALS:
                    raise
                yield Finding(f"{name}, {what}")
            else:
                answer = "None" if got is None else f"an array of {got.dtype}"
                fault = f"got {answer} for the {what} by integers; should be refused: they have no derivative"
                yield Finding(f"{name}, {what}", fault=fault)


refused = Property(
    name="refused",
    claim="A gradient with respect to tokens or targets is refused, since integers have none: it is no zero, nor None.",
    equation="dL/dtokens does not exist",
    needs=frozenset({"vjp"}),
    check=_check,
)

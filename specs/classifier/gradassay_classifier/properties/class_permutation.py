"""Classes have no order: with the linear map's rows and the labels in another order, all is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import placed, same, truth
from gradassay_lstm._variations import made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    classes = case.config.classes
    order = [(2 * place + 1) % classes if classes % 2 else classes - 1 - place for place in range(classes)]
    place_of = np.argsort(order)
    move, what = taking(case, {"class": order}), "classes-moved"
    tensors = moved(case, case.tensors, move) | {"labels": place_of[case.tensors["labels"]]}
    other = made(case, what, tensors, moved(case, case.cotangents, move))
    second = placed(subject.of(other).vjp(), other, taking(other, {"class": [int(place) for place in place_of]}))
    yield from same(subject.vjp(), second, truth(oracle, case), case, "classes in another order")


class_permutation = Property(
    name="class_permutation",
    claim="Classes in another order, with their labels, give the same logits in that order and the same loss.",
    equation="logits(P W, P b) = P logits(W, b), L(P W, P b, p(label)) = L(W, b, label)",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)

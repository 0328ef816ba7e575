"""Tokens are names: with the rows of the table in another order, and tokens renamed alike, all is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import placed, same, truth
from gradassay_lstm._variations import made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    size = case.config.vocabulary
    renamed = [(token + 1) % size for token in range(size)]  # no token keeps its name
    order = [renamed.index(token) for token in range(size)]
    tensors = moved(case, case.tensors, taking(case, {"token": order}))
    tensors["tokens"] = np.array(renamed, dtype=np.int64)[case.tensors["tokens"]]
    padding = case.config.padding_index
    config = msgspec.structs.replace(case.config, padding_index=None if padding is None else renamed[padding])
    other = made(case, "tokens-renamed", tensors, config=config)
    second = placed(subject.of(other).vjp(), other, taking(other, {"token": renamed}))
    yield from same(subject.vjp(), second, truth(oracle, case), case, "tokens renamed")


vocabulary_permutation = Property(
    name="vocabulary_permutation",
    claim="With tokens renamed and the table's rows moved along, all is the same; the table's gradient moves along.",
    equation="f(P table, p(tokens)) = f(table, tokens), dL/d(P table) = P dL/dtable",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.config.vocabulary > 1,
    thorough=True,
    compiles=True,
)

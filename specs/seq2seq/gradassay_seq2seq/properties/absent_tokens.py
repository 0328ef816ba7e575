"""A row of the table that no token names has a gradient of exactly 0, and is there all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, truth
from gradassay_lstm._variations import lengths_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject


def unused(case: Case) -> Array:
    """Return (V,): True for a token that no step within its row's length has, and for the padding's."""
    within = np.arange(case.call.steps)[None, :] < np.array(lengths_of(case))[:, None]
    constant = [] if case.config.padding_index is None else [case.config.padding_index]
    every = np.arange(case.config.vocabulary)
    return np.asarray(np.isin(every, case.tensors["tokens"][within], invert=True) | np.isin(every, constant))


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    table, got, scale = case.table["table"], subject.vjp().gradients.get("table"), truth(oracle, case)["d table"]
    if got is None or got.shape != table.shape:
        shape = "nothing" if got is None else f"shape {got.shape}"
        yield Finding("table", fault=f"got {shape}; should be of shape {table.shape}, with a row for every token")
        return
    mask = np.broadcast_to(unused(case)[:, None], table.shape)
    blind = scale.blind if scale.overflow else ""
    yield exactly_zero("table at tokens that are absent", got, mask, (table,), blind)


absent_tokens = Property(
    name="absent_tokens",
    claim="Rows of the table that no step looks up, and the row of the padding, have a gradient of exactly 0.",
    equation="dL/dtable[v] = 0 where tokens[b, t] != v for all t < n_b, and for v = padding_index",
    needs=frozenset({"vjp"}),
    check=_check,
)

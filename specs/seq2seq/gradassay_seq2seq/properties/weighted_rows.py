"""A mean over steps is no mean over rows: the loss of a batch is that of its rows, by the steps that each counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import added, truth
from gradassay_lstm._variations import made, rows
from gradassay_seq2seq._counted import counted

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _alone(case: Case) -> list[Case]:
    """Return each row that counts as a call of its own, whose loss has the row's share as its cotangent."""
    share = counted(case.config, case.tensors["targets"], case.call.lengths).sum(axis=1)
    found = []
    for row in np.flatnonzero(share):
        one = rows(case, [int(row)], f"row-{row}-alone")
        loss = case.cotangents["loss"].astype(np.float64) * share[row] / share.sum()
        seen = dict(one.cotangents) | {"loss": np.asarray(loss).astype(case.cotangents["loss"].dtype)}
        found.append(made(one, "weighted", one.tensors, seen))
    return found


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    seen = dict(case.cotangents) | {"logits": np.zeros_like(case.cotangents["logits"])}
    whole = made(case, "loss-alone", case.tensors, seen)
    parts = _alone(whole)
    found = [subject.of(one).vjp().gradients for one in parts]
    noise = [truth(oracle, one) for one in parts]
    what = f"{len(parts)} rows, each with its share of the steps"
    gradients = subject.of(whole).vjp().gradients
    yield from added(gradients, found, truth(oracle, whole), noise, case.parameters, case, what)


def _seen(case: Case) -> bool:
    """Say whether the mean is part of what is pulled back: of the last output alone it is not."""
    return case.template.ask.get("cotangents") != "last output"


weighted_rows = Property(
    name="weighted_rows",
    claim="The gradient of the loss is the sum of its rows' gradients, each by its share of the steps that count.",
    equation="n dL/dW = sum_b n_b dL_b/dW, n_b the steps of row b that carry loss, n = sum_b n_b",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 1 and _seen(case),
    thorough=True,
    compiles=True,
)

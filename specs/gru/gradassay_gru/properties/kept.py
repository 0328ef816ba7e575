"""With the update gate held at 1 the state stays as it was: which of z and 1 - z keeps it is a convention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property, between, compare
from gradassay_gru._gates import can_be_held, held
from gradassay_lstm._relations import named, truth
from gradassay_lstm._variations import padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject


def _outputs(case: Case) -> dict[str, Array]:
    """Return h0 at every step that a row has, and at the end."""
    h0 = case.tensors["h0"]
    top = np.concatenate(list(h0[-case.config.directions :]), axis=-1)  # (B, D*H)
    y = np.repeat(top[:, None], case.call.steps, axis=1)
    return {"y": np.where(padding(case, case.table["y"]), 0, y).astype(y.dtype), "h_n": h0}


def _pulled(case: Case) -> Array:
    """Return dL/dh0: the cotangent of h_n, and in the last layer those of every step that a row has."""
    total = np.zeros(case.table["h0"].shape)
    if "h_n" in case.cotangents:
        total += case.cotangents["h_n"].astype(np.float64)
    if "y" in case.cotangents:
        seen = np.where(padding(case, case.table["y"]), 0, case.cotangents["y"].astype(np.float64)).sum(axis=1)
        total[-case.config.directions :] += np.stack(np.split(seen, case.config.directions, axis=-1))
    return total


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    shut = held(case, "state-kept", z=1.0)
    answer, scales = subject.of(shut).vjp(), truth(oracle, shut)
    what = "an update gate of 1"
    yield from named(compare(answer.outputs, between(_outputs(shut), scales), ("y", "h_n"), shut), what)
    references = between({"h0": _pulled(shut)}, scales, "d ")
    yield from named(compare(answer.gradients, references, ("h0",), shut, "d "), what)


kept = Property(
    name="kept",
    claim="With an update gate of 1 every state stays as it was, and its cotangents add up.",
    equation="z = 1: y_t = h_n = h0, dL/dh0 = dL/dh_n + sum_t dL/dy_t",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: can_be_held(case) and case.call.h0,  # of zeros there would be noise alone
    thorough=True,
)

"""The loss is blind to what is added to every logit, also where the exponential of it is beyond the dtype's range."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_classifier._alone import loss_alone
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject

# exp of it overflows, but in bfloat16, which has float32's range and eight bits: there 128 would leave no digits.
SHIFTS = {"float64": 1024.0, "float32": 128.0, "float16": 16.0, "bfloat16": 4.0}


def size(bias: Array, dtype: str) -> float:
    """Return how much is added: at least twice every bias, so that the sum less the shift is exact."""
    return max(SHIFTS[dtype], 2.0 ** ceil(log2(2.0 * float(np.abs(bias.astype(np.float64)).max()))))


def pair(bias: Array, added: float) -> tuple[Array, Array]:
    """Return two biases (C,) that differ by exactly the shift: what rounding takes from the second is in neither.

    The difference is exact by the lemma of Sterbenz, 'Floating-point computation', 1974.
    """
    shifted = (bias + bias.dtype.type(added)).astype(bias.dtype)
    return (shifted - bias.dtype.type(added)).astype(bias.dtype), shifted


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    alone, bias = loss_alone(case), case.tensors["head_bias"]
    added = size(bias, case.dtype)
    biases = zip(("plain", "shifted"), pair(bias, added), strict=True)
    plain, shifted = (made(alone, f"{what}-bias", dict(alone.tensors) | {"head_bias": one}) for what, one in biases)
    # The noise is that of the shifted case: its logits are larger, and so are their rounding errors.
    first, second, scales = subject.of(plain).vjp(), subject.of(shifted).vjp(), truth(oracle, shifted)
    names = ["loss", *case.differentiable]
    yield from same(first, second, scales, case, f"{added:.0f} added to every logit", names)


shift = Property(
    name="shift",
    claim="A number added to every logit changes neither the loss nor any of its gradients.",
    equation="L(b + s 1) = L(b), dL/dv (b + s 1) = dL/dv (b)",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)

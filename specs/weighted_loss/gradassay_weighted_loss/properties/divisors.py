"""The three reductions are one sum, divided by three numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

import msgspec

from gradassay._property import Finding, Property
from gradassay._session import BackendError
from gradassay_lstm._relations import truth
from gradassay_lstm._variations import made
from gradassay_weighted_loss._config import Reduction
from gradassay_weighted_loss._mixed import divisor, mixed

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    names = [name for name in case.differentiable if name != "weights"]  # the sum of weights depends on them
    asked, refused = False, ""
    for reduction in (name for name in get_args(Reduction) if name != case.config.reduction):
        config = msgspec.structs.replace(case.config, reduction=reduction)
        other = made(case, f"by-{reduction.replace(' ', '-')}", case.tensors, config=config)
        if reason := subject.refusal(other):
            refused = refused or reason
            continue
        part = (divisor(other) / divisor(case), subject.of(other).vjp(), truth(oracle, other))
        what = f"reduction {reduction!r}, times what it is divided by"
        yield from mixed(case, subject.vjp(), truth(oracle, case), [part], names, what)
        asked = True
        if subject.mode.compiled:  # it compiles for each reduction
            return
    if not asked:
        raise BackendError("unsupported", refused)


divisors = Property(
    name="divisors",
    claim="The sum is the mean times the count of elements, and the weighted mean times the sum of the weights.",
    equation="L_sum = B T D S L_mean = (sum w) L_weighted, the gradients but that of w likewise",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
    compiles=True,
)

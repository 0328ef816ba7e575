"""What follows a row's last step is nothing: the gradient there is exactly 0, and other numbers change no bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_classifier._alone import absent
from gradassay_lstm._relations import exactly_zero, truth
from gradassay_lstm._variations import made, otherwise, padding
from gradassay_lstm.properties.padding_huge import alike
from gradassay_lstm.properties.padding_zero import has_padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answer, tensor, scale = subject.vjp(), case.table["x"], truth(oracle, case)["d x"]
    got, mask = answer.gradients.get("x"), padding(case, case.table["x"])
    if got is None or got.shape != tensor.shape:
        yield Finding("x on the padding", fault=absent(got, tensor.shape))
    else:
        yield exactly_zero("x on the padding", got, mask, (tensor,), scale.blind if scale.overflow else "")
    tensors = dict(case.tensors) | {"x": otherwise(case.tensors["x"], mask)}
    other = subject.of(made(case, "other-padding", tensors)).vjp()
    yield from alike(answer, other, case, "other x on the padding")


padding_ = Property(
    name="padding",
    claim="Beyond a row's last step the gradient of x is exactly 0, and what x is there changes nothing, bit for bit.",
    equation="dL/dx[b, t] = 0 for t >= n_b; f(x + p) = f(x) for p that is 0 off the padding",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=has_padding,
)

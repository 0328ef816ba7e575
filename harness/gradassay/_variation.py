"""The case beside a case: the same model with other numbers, or called with another shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradassay._case import Case, build


def other_data(case: Case) -> Case:
    """Return the same call with other data; the parameters, and so the loaded model, are the same."""
    return _varied(case, case.call)


def another_shape(case: Case) -> Case:
    """Return a call of another shape with the parameters that the model has."""
    return _varied(case, case.spec.vary(case.config, case.call))


def _varied(case: Case, call: Any) -> Case:
    template = replace(case.template, name=f"{case.template.name}-varied", call=call, seed=case.template.seed + 1)
    drawn = build(case.spec, case.suite, template, case.dtype)
    return replace(drawn, tensors=dict(drawn.tensors) | dict(case.parameters))

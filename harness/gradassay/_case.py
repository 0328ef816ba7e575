"""A case: the numbers that a question is asked with, rounded to a dtype. The same bits everywhere, forever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradassay._cache import key
from gradassay._spec import DIFFERENTIABLE, Array, CaseTemplate, Spec, Tensor, Tensors
from gradassay._target import numpy_dtype
from gradassay._words import Words


@dataclass(frozen=True)
class Case:
    """A template with its data drawn and rounded to `dtype`.

    `tensors` holds everything that goes in; `cotangents` an independent random one for every output that
    is part of the loss; `tangents` one for every differentiated tensor.
    """

    spec: Spec[Any, Any]
    suite: str
    template: CaseTemplate
    dtype: str
    tensors: Tensors
    cotangents: Tensors
    tangents: Tensors

    @property
    def config(self) -> Any:
        return self.template.config

    @property
    def call(self) -> Any:
        return self.template.call

    @property
    def id(self) -> str:
        return f"{self.spec.name}/{self.suite}/{self.template.name}"

    @cached_property
    def table(self) -> dict[str, Tensor]:
        """The spec's labelled tensors, by name, as this case has them."""
        return {tensor.name: tensor for tensor in self.spec.tensors(self.config, self.call)}

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(name for name, tensor in self.table.items() if tensor.role == "output")

    @property
    def differentiable(self) -> tuple[str, ...]:
        """Everything that a gradient can be asked for: inputs, states and parameters that are present."""
        return tuple(name for name in self.tensors if self.table[name].role in DIFFERENTIABLE)

    @property
    def drawn(self) -> tuple[Tensors, ...]:
        """All data that decide what is asked."""
        return self.tensors, self.cotangents, self.tangents

    @cached_property
    def digest(self) -> str:
        """A hash of all data that decide what is asked: equal hashes, the same questions."""
        return key(*self.drawn)

    @property
    def parameters(self) -> Tensors:
        return {n: a for n, a in self.tensors.items() if self.table[n].role == "parameter"}

    @property
    def inputs(self) -> Tensors:
        return {n: a for n, a in self.tensors.items() if self.table[n].role != "parameter"}

    @cached_property
    def features(self) -> frozenset[str]:
        return self.spec.features(self.config, self.call)


def build(spec: Spec[Any, Any], suite: str, template: CaseTemplate, dtype: str) -> Case:
    """Draw a template's data and round it to a dtype."""
    words = Words(template.seed, spec.name, template.regime)
    to = numpy_dtype(dtype)
    table = {tensor.name: tensor for tensor in spec.tensors(template.config, template.call)}
    drawn = spec.draw(template.config, template.call, template.regime, words.branch("data"))
    tensors = {n: a if table[n].role == "index" else a.astype(to) for n, a in drawn.items()}
    cotangents = {
        # An array also where it is a number: NumPy's arithmetic makes scalars of its own of those.
        name: np.asarray(_seen_by_loss(tensor, words.branch("cotangent").branch(name), template.ask).astype(to))
        for name, tensor in table.items()
        if tensor.role == "output" and _in_loss(tensor, template.ask)
    }
    tangents = {
        name: words.branch("tangent").branch(name).normal(array.shape).astype(to)
        for name, array in tensors.items()
        if table[name].role in DIFFERENTIABLE
    }
    return Case(spec, suite, template, dtype, tensors, cotangents, tangents)


def _step_axis(tensor: Tensor) -> int | None:
    return next((i for i, group in enumerate(tensor.axes) if any(axis.name == "step" for axis in group)), None)


def _in_loss(tensor: Tensor, ask: Mapping[str, Any]) -> bool:
    """A loss that sees only the last output sees outputs that have steps."""
    return ask.get("cotangents") != "last output" or _step_axis(tensor) is not None


def _seen_by_loss(tensor: Tensor, words: Words, ask: Mapping[str, Any]) -> Array:
    """Draw a cotangent; one that sees only the last output is exactly zero at every earlier step."""
    cotangent = words.normal(tensor.shape)
    axis = _step_axis(tensor)
    if ask.get("cotangents") == "last output" and axis is not None and cotangent.shape[axis] > 1:
        earlier = [slice(None)] * cotangent.ndim
        earlier[axis] = slice(0, -1)
        cotangent[tuple(earlier)] = 0.0
    return cotangent

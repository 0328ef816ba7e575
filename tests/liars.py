"""Models that break what the LSTM's spec promises of its Jacobians, named by what they do; and cases for them.

Each is the NumPy backend's LSTM with a linear term in its outputs, or another change that its gradients agree with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradassay._case import Case, build
from gradassay._spec import Array, CaseTemplate, Tensors
from gradassay.jacobians._source import Source
from gradassay_lstm import LSTM, Call, spec
from gradassay_numpy._backend import numpy_backend

EPSILON = 1e-3
Linear = Callable[[Array], Array]


class Honest:
    """The NumPy backend's model, asked only for what a test lets it be."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.ran: Mapping[str, str] = {}

    def parameters(self) -> dict[str, Array]:
        found: dict[str, Array] = self.model.parameters()
        return found

    def forward(self, inputs: Tensors) -> Tensors:
        found: Tensors = self.model.forward(inputs)
        return found

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self.model.vjp(inputs, cotangents, wrt)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self.model.vjps(inputs, cotangents, wrt)


class Added(Honest):
    """y = LSTM(x) + A x, with `add` the linear map A of one x, and `back` its transpose."""

    def __init__(self, model: Any, add: Linear, back: Linear) -> None:
        super().__init__(model)
        self.add, self.back = add, back

    def forward(self, inputs: Tensors) -> Tensors:
        found = dict(self.model.forward(inputs))
        return {**found, "y": found["y"] + self.add(inputs["x"])[..., None]}

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        if "x" in wrt and "y" in cotangents:
            gradients["x"] = gradients["x"] + self.back(cotangents["y"].sum(axis=-1))
        return outputs, gradients

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        gradients = self.model.vjps(inputs, cotangents, wrt)
        if "x" in wrt and "y" in cotangents:
            gradients["x"] += np.stack([self.back(v) for v in cotangents["y"].sum(axis=-1)])
        return gradients


def mixing(model: Any, size: float = EPSILON) -> Added:
    """Every row sees the sum of all rows."""

    def add(x: Array) -> Array:
        return np.broadcast_to(size * x.sum(axis=(0, 2)), x.shape[:2])

    def back(v: Array) -> Array:  # (rows, steps) to (rows, steps, features), of any number of features
        return np.broadcast_to(size * v.sum(axis=0)[None, :, None], (*v.shape, FEATURES))

    return Added(model, add, back)


def foreseeing(model: Any, size: float = EPSILON) -> Added:
    """Every step sees the next."""

    def add(x: Array) -> Array:
        later = np.zeros(x.shape[:2])
        later[:, :-1] = size * x[:, 1:].sum(axis=-1)
        return later

    def back(v: Array) -> Array:
        found = np.zeros((*v.shape, FEATURES))
        found[:, 1:] = size * v[:, :-1, None]
        return found

    return Added(model, add, back)


def clocked(model: Any) -> Added:
    """A step knows its number: causal, but a call that is taken up again counts from 0."""

    def add(x: Array) -> Array:
        return EPSILON * np.arange(x.shape[1]) * x.sum(axis=-1)

    def back(v: Array) -> Array:
        return np.broadcast_to((EPSILON * np.arange(v.shape[1]) * v)[..., None], (*v.shape, FEATURES))

    return Added(model, add, back)


class Forgetful(Honest):
    """Its final state is half of what it carries on: right one call at a time, wrong when taken up again."""

    def forward(self, inputs: Tensors) -> Tensors:
        found = self.model.forward(inputs)
        return {**found, "h_n": found["h_n"] / 2}

    def _halved(self, cotangents: Tensors) -> Tensors:
        return {name: v / 2 if name == "h_n" else v for name, v in cotangents.items()}

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self.model.vjp(inputs, self._halved(cotangents), wrt)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self.model.vjps(inputs, self._halved(cotangents), wrt)


class Doubling(Honest):
    """Right one cotangent at a time; of many at once, each answer but the first is twice what it should be."""

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        found = self.model.vjps(inputs, cotangents, wrt)
        return {name: np.concatenate([array[:1], 2 * array[1:]]) for name, array in found.items()}


FEATURES = 3


def case(call: Call = Call(3, 6), config: LSTM = LSTM(FEATURES, 4), seed: int = 1, dtype: str = "float64") -> Case:  # noqa: B008  # frozen
    return build(spec, "test", CaseTemplate("jacobian", config, call, "unit", seed), dtype)


def source(kind: Callable[[Any], Any] = Honest, given: Case | None = None, *operators: str) -> Source:
    """Return one of these models at a case's data."""
    at = case() if given is None else given
    plain = numpy_backend.load("lstm", at.config, at.parameters, None)  # type: ignore[arg-type]  # it reads no target
    able = frozenset(operators or ("forward", "vjp", "vjps"))
    return replace(Source(kind.__name__, plain, at, able), model=kind(plain))


def rows(at: Source, of: str = "y", wrt: str = "x") -> Array:
    """Return the whole Jacobian by one plain VJP a row: slow, and sure."""
    outputs = at.model.forward(at.case.inputs)
    shape = outputs[of].shape
    found = []
    for k in range(outputs[of].size):
        hot = np.zeros(shape, outputs[of].dtype)
        hot.ravel()[k] = 1
        found.append(at.model.vjp(at.case.inputs, {of: hot}, (wrt,))[1][wrt])
    return np.stack([np.asarray(row) for row in found]).reshape(*shape, *at.case.tensors[wrt].shape)

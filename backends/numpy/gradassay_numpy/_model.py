"""A `Model` out of four hand-written passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_numpy._passes import Passes

# Rows of a Jacobian that go through one backward pass together: bounds its memory.
LANES = 256


class NumpyModel:
    """forward, vjp, jvp, jacobian and hvp; see the protocols in `gradassay._backend` for their contracts."""

    def __init__(self, passes: Passes[Any, Any, Any], parameters: Tensors) -> None:
        self._passes = passes
        self._parameters = {name: np.array(value) for name, value in parameters.items()}
        self._dtype = next(iter(self._parameters.values())).dtype
        self.ran: Mapping[str, str] = {}

    def parameters(self) -> dict[str, Array]:
        """Return copies of the parameters, canonical."""
        return {name: value.copy() for name, value in self._parameters.items()}

    def forward(self, inputs: Tensors) -> dict[str, Array]:
        return self._own(self._run(inputs)[1])

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[dict[str, Array], dict[str, Array | None]]:
        values, outputs, run = self._run(inputs)
        with np.errstate(all="ignore"):
            gradients, _ = self._passes.backward(run, self._filled(outputs, cotangents, "output"))
        return self._own(outputs), self._picked(gradients, wrt, values)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
        values, outputs, run = self._run(inputs)
        with np.errstate(all="ignore"):
            d_outputs, _ = self._passes.tangent(run, self._filled(values, tangents, "tensor"))
        return self._own(outputs), self._own(d_outputs)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        """Send one-hot cotangents through the backward pass, `LANES` at a time."""
        values, outputs, run = self._run(inputs)
        shape = outputs[of].shape
        n = prod(shape)
        rows = [np.empty((0, *values[wrt].shape), self._dtype)]
        for start in range(0, n, LANES):
            hot = np.eye(min(LANES, n - start), n, start, dtype=self._dtype)
            zeros = {name: np.zeros((len(hot), *out.shape), self._dtype) for name, out in outputs.items() if name != of}
            with np.errstate(all="ignore"):
                gradients, _ = self._passes.backward(run, {**zeros, of: hot.reshape(-1, *shape)})
            rows.append(self._picked(gradients, [wrt], values)[wrt])
        return np.concatenate(rows).reshape(*shape, *values[wrt].shape)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> dict[str, Array | None]:
        """Send K cotangents through the backward pass together: its lanes."""
        values, outputs, run = self._run(inputs)
        lanes = {len(cotangent) for cotangent in cotangents.values()}
        if len(lanes) != 1:
            raise ValueError(f"cotangents have {sorted(lanes)} rows; all should have the same number")
        (count,) = lanes
        zeros = {name: np.zeros((count, *out.shape), self._dtype) for name, out in outputs.items()}
        with np.errstate(all="ignore"):
            gradients, _ = self._passes.backward(run, {**zeros, **self._filled(zeros, cotangents, "output")})
        return self._picked(gradients, wrt, values)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> dict[str, Array | None]:
        values, outputs, run = self._run(inputs)
        cotangents, tangents = self._filled(outputs, cotangents, "output"), self._filled(values, tangents, "tensor")
        constant = {name: np.zeros_like(value) for name, value in cotangents.items()}
        with np.errstate(all="ignore"):
            _, tangent = self._passes.tangent(run, tangents)
            _, adjoint = self._passes.backward(run, cotangents)
            d_gradients = self._passes.second(run, tangent, adjoint, tangents, constant)
        return self._picked(d_gradients, wrt, values)

    def _run(self, inputs: Tensors) -> tuple[dict[str, Array], dict[str, Array], Any]:
        """Return (values, outputs, what the passes keep). Inf and NaN are answers: no warning repeats them."""
        values = self._passes.complete({**self._parameters, **inputs})
        with np.errstate(all="ignore"):
            outputs, run = self._passes.forward(values)
            tiny = np.finfo(self._dtype).smallest_normal
            kept = bool(np.full(1, tiny, self._dtype) * self._dtype.type(0.5) != 0)
        self.ran = {
            "executed": "eager",
            "kernel": "numpy matmul",
            "device": "cpu",
            "subnormals": "kept" if kept else "flushed",
        }
        return values, outputs, run

    @staticmethod
    def _own(tensors: Tensors) -> dict[str, Array]:
        """Return them in contiguous memory of their own."""
        return {name: np.array(value, order="C") for name, value in tensors.items()}

    @staticmethod
    def _filled(like: Tensors, given: Tensors, what: str) -> dict[str, Array]:
        """Return `given` with zeros for what it does not name.

        Raises:
            KeyError: if it names something unknown.
        """
        if unknown := sorted(set(given) - set(like)):
            raise KeyError(f"{unknown[0]} is no {what} of this call; it has {', '.join(like)}")
        return {name: given[name] if name in given else np.zeros_like(value) for name, value in like.items()}

    @staticmethod
    def _picked(gradients: Tensors, wrt: Sequence[str], values: Tensors) -> dict[str, Any]:
        """Return the gradients asked for, in memory of their own."""
        if unknown := [name for name in wrt if name not in gradients or name not in values]:
            raise KeyError(f"{unknown[0]} is not differentiated; what is: {', '.join(gradients)}")
        return {name: np.array(gradients[name], order="C") for name in wrt}

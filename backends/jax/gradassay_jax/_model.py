"""A `Model` out of a JAX function of a dict of arrays: NumPy at the edge, derivatives by JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradassay._backend import Unsupported
from gradassay._integers import NOWHERE, refuse
from gradassay._spec import Array, Tensors
from gradassay_jax import _framework, _operators
from gradassay_jax._execution import Compiled, Execution, Program, Results
from gradassay_jax._operators import Operator


class JaxModel:
    """forward, vjp, jvp, jacobian and hvp; see the protocols in `gradassay._backend` for their contracts.

    JAX gives an array of zeros, never None, for what an output does not depend on. `dtype` is that of the parameters;
    where there are none, it has to be told. `instead` says of inputs of integers what to ask for.
    """

    push_cost = 0.4  # one pass over the steps, fused by XLA, where a cotangent takes two

    def __init__(
        self,
        program: Program,
        execution: Execution,
        parameters: Tensors,
        device: jax.Device,
        dtype: np.dtype[Any] | None = None,
        instead: Mapping[str, str] = NOWHERE,
    ) -> None:
        self._program, self._execution, self._device = program, execution, device
        self._whole: Execution = Compiled(program)
        self._instead = instead
        self._parameters = _framework.place(parameters, device)
        self._dtype: np.dtype[Any] = dtype or next(iter(self._parameters.values())).dtype
        self.ran: Mapping[str, str] = {}

    def parameters(self) -> dict[str, Array]:
        """Read the parameters back from the device, canonical."""
        return _framework.fetch(self._parameters)

    def forward(self, inputs: Tensors) -> dict[str, Array]:
        found = self._ask(_operators.forward(self._program), ("forward",), inputs)
        return _framework.fetch(found["outputs"])

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[dict[str, Array], dict[str, Array | None]]:
        refuse(inputs, wrt, self._instead)
        found = self._ask(_operators.vjp(self._program, wrt), ("vjp", *wrt), inputs, cotangents)
        return _framework.fetch(found["outputs"]), {**_framework.fetch(found["gradients"])}

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
        refuse(inputs, tangents, self._instead)
        found = self._ask(_operators.jvp(self._program), ("jvp",), inputs, tangents)
        return _framework.fetch(found["outputs"]), _framework.fetch(found["tangents"])

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        refuse(inputs, (wrt,), self._instead)
        found = self._ask(_operators.jacobian(self._program, of, wrt), ("jacobian", of, wrt), inputs)
        return _framework.fetch(found["jacobian"])[of]

    def primal(self, inputs: Tensors) -> dict[str, Array]:
        found = self._batched(_operators.forward(self._program), ("forward",), inputs)
        return _framework.fetch(found["outputs"])

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> dict[str, Array | None]:
        refuse(inputs, wrt, self._instead)
        key = ("vjps", *cotangents, "by", *wrt)
        found = self._batched(_operators.vjps(self._program, wrt), key, inputs, cotangents)
        return {**_framework.fetch(found["gradients"])}

    def jvps(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> dict[str, Array]:
        refuse(inputs, tangents, self._instead)
        key = ("jvps", *of, "by", *tangents)
        found = self._batched(_operators.jvps(self._program, of), key, inputs, tangents)
        return {name: np.moveaxis(array, -1, 0) for name, array in _framework.fetch(found["tangents"]).items()}

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> dict[str, Array | None]:
        refuse(inputs, (*tangents, *wrt), self._instead)
        found = self._ask(_operators.hvp(self._program, wrt), ("hvp", *wrt), inputs, cotangents, tangents)
        return {**_framework.fetch(found["gradients"])}

    def _batched(self, operator: Operator, key: tuple[object, ...], inputs: Tensors, *along: Tensors) -> Results:
        """Run an operator for many directions; what runs as written otherwise is compiled for it.

        Raises:
            Unsupported: if the function cannot be compiled, since what it does depends on its numbers.
        """
        if not self._execution.as_written:
            return self._ask(operator, key, inputs, *along)
        plain, self._execution = self._execution, self._whole
        try:
            return self._ask(operator, key, inputs, *along)
        except jax.errors.ConcretizationTypeError as error:
            raise Unsupported(f"jax cannot compile this function as a whole: {error}") from error
        finally:
            self._execution = plain

    def _ask(self, operator: Operator, key: tuple[object, ...], inputs: Tensors, *more: Tensors) -> Results:
        """Run an operator on values (parameters and inputs) and further dicts; leave the evidence in `ran`.

        Raises:
            RuntimeError: if an array that comes back is on another device.
        """
        values = {**self._parameters, **_framework.place(inputs, self._device)}
        arguments = [_framework.place(tensors, self._device) for tensors in more]
        with jax.default_device(self._device):
            found, evidence = self._execution.run(operator, key, values, *arguments)
        precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]  # jax sets it at run time
        answers = {f"{group} {name}": value for group, tensors in found.items() for name, value in tensors.items()}
        asked, there = _framework.name_of(self._device), _framework.where(answers)
        if there not in ("", asked):
            raise RuntimeError(f"the answers are on {there}, but {asked} was asked for")
        self.ran = {
            **evidence,
            "kernel": "xla",
            "device": there,
            "matmul_precision": str(precision or "default"),
            "subnormals": _framework.subnormals(self._dtype, self._device),
        }
        return found

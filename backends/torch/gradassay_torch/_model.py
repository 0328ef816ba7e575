"""A loaded model: any function of named tensors, its parameters, and a way to run it, behind the harness's seam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from gradassay._backend import Unsupported
from gradassay._integers import NOWHERE, refuse
from gradassay._spec import Array, Tensors
from gradassay_torch import _framework as framework
from gradassay_torch._framework import Named, to_array, to_tensor
from gradassay_torch._kernel import FUSED, Execution, arithmetic


class Damage(RuntimeError):
    """The framework changed an argument in place, in a copy where the caller could not have seen it."""


class TorchModel:
    """Implements every operator of the seam for a function of its inputs and `parameters` (canonical names).

    `forward_mode(inputs)` says whether the function can be differentiated forward on these inputs. `dtype` is that of
    the parameters; where there are none, it has to be told. `instead` says of inputs of integers what to ask for.
    `zeros`: what no output depends on has a gradient of zeros, as with `torch.autograd.grad(materialize_grads=True)`.
    """

    push_cost = 4.0  # of forward mode under vmap, much of which torch runs as decompositions in Python

    def __init__(
        self,
        execution: Execution,
        parameters: Named,
        device: str,
        forward_mode: Callable[[Tensors], bool] = lambda inputs: True,
        dtype: torch.dtype | None = None,
        instead: Mapping[str, str] = NOWHERE,
        zeros: bool = False,
    ) -> None:
        self._execution = execution
        self._parameters = dict(parameters)
        self._device = device
        self._forward_mode = forward_mode
        self._instead, self._zeros = instead, zeros
        self._arithmetic = arithmetic(dtype or next(iter(self._parameters.values())).dtype, device)
        self._ran: dict[str, str] = {}

    @property
    def ran(self) -> Mapping[str, str]:
        return self._ran

    def parameters(self) -> dict[str, Array]:
        """Read back the parameters that the model holds now: copies, to compare with what was loaded."""
        return {name: to_array(tensor).copy() for name, tensor in self._parameters.items()}

    def forward(self, inputs: Tensors) -> Tensors:
        with self._call(inputs) as (tensors,):
            outputs = self._execution.forward(tensors)
        self._locate(outputs)
        return _arrays(outputs)

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        refuse(inputs, wrt, self._instead)
        with self._call(inputs, cotangents) as (tensors, along):
            outputs, gradients = self._execution.vjp(tensors, along, wrt)
            gradients = self._filled(gradients, tensors)
        self._locate(outputs, gradients)
        return _arrays(outputs), _optional_arrays(gradients)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        refuse(inputs, tangents, self._instead)
        forward_mode = self._forward_mode(inputs)
        with self._call(inputs, tangents, twice=not forward_mode) as (tensors, along):
            self._ran["jvp"] = "forward mode" if forward_mode else "double VJP"
            if forward_mode:
                framework.prepare_forward_mode()
                with framework.leaves(tensors, ()):
                    outputs, pushed = self._execution.pushforward(tensors, along)
            else:
                outputs, pushed = framework.jvp_double_vjp(self._execution.function, tensors, along)
        self._locate(outputs, pushed)
        return _arrays(outputs), _arrays(pushed)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        refuse(inputs, (wrt,), self._instead)
        batched = not self._execution.compiled
        with self._call(inputs) as (tensors,):
            self._ran["jacobian"] = "VJP under vmap" if batched else "one VJP a row"
            leaves = [wrt] if batched else framework.floating(tensors)
            found = framework.jacobian(self._execution.function, tensors, of, wrt, leaves, batched)
        self._locate({"jacobian": found})
        return to_array(found)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Mapping[str, Array | None]:
        refuse(inputs, wrt, self._instead)
        if self._execution.compiled:
            raise Unsupported("a compiled graph is differentiated one cotangent at a time")
        with self._call(inputs, cotangents) as (tensors, along):
            self._ran["vjps"] = "VJP under vmap"
            found = framework.vjps(self._execution.function, tensors, along, wrt)
        if fused := sorted(set(self._ran["kernel"].split("+")) & set(FUSED.values())):
            # torch then runs another backward, from tensor operations, which takes longer than many rows in the layer.
            raise Unsupported(f"torch cannot batch the backward of {fused[0]}'s layer")
        self._locate(found)
        return _optional_arrays(found)

    def jvps(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> Tensors:
        refuse(inputs, tangents, self._instead)
        if self._execution.compiled or not self._forward_mode(inputs):
            raise Unsupported("this model has no forward mode to batch")
        with self._call(inputs, tangents) as (tensors, along):
            self._ran["jvps"] = "forward mode under vmap"
            found = framework.jvps(self._execution.function, tensors, along, of)
        self._locate(found)
        return _arrays(found)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        refuse(inputs, (*tangents, *wrt), self._instead)
        with self._call(inputs, cotangents, tangents, twice=True) as (tensors, along, direction):
            self._ran["hvp"] = "double backward"
            found = self._filled(framework.hvp(self._execution.function, tensors, along, direction, wrt), tensors)
        self._locate(found)
        return _optional_arrays(found)

    def _filled(self, gradients: Mapping[str, torch.Tensor | None], tensors: Named) -> dict[str, torch.Tensor | None]:
        def filled(name: str, gradient: torch.Tensor | None) -> torch.Tensor | None:
            return torch.zeros_like(tensors[name]) if gradient is None and self._zeros else gradient

        return {name: filled(name, gradient) for name, gradient in gradients.items()}

    def _locate(self, *answers: Mapping[str, torch.Tensor | None]) -> None:
        """Leave in `ran` on which device the answers are.

        Raises:
            RuntimeError: if it is not the one that was asked for.
        """
        tensors = [tensor for answer in answers for tensor in answer.values() if tensor is not None]
        places = sorted({framework.name_of(tensor.device) for tensor in tensors})
        asked = framework.name_of(torch.device(self._device))
        if places not in ([], [asked]):
            raise RuntimeError(f"the answers are on {', '.join(places)}, but {asked} was asked for")
        self._ran["device"] = ", ".join(places)

    @contextmanager
    def _call(self, *arguments: Tensors, twice: bool = False) -> Iterator[list[Named]]:
        """Yield the arguments as tensors (the parameters beside the inputs), within the mode.

        Raises:
            Damage: when a tensor no longer has the bytes of its array. Where memory is shared, the
                caller sees that in the array itself.
        """
        given = [{name: to_tensor(array, self._device) for name, array in named.items()} for named in arguments]
        self._ran = dict(self._arithmetic)
        with self._execution.observed(self._ran, twice):
            yield [{**given[0], **self._parameters}, *given[1:]]
        for tensors, arrays in zip(given, arguments, strict=True):
            if damaged := framework.changed(tensors, arrays):
                raise Damage(f"torch changed {', '.join(damaged)} in place")


def _arrays(tensors: Named) -> dict[str, Array]:
    return {name: to_array(tensor) for name, tensor in tensors.items()}


def _optional_arrays(tensors: Mapping[str, torch.Tensor | None]) -> dict[str, Array | None]:
    return {name: None if tensor is None else to_array(tensor) for name, tensor in tensors.items()}

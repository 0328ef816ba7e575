"""A model with a planted fault, as users of torch and of JAX would meet it: a differentiable function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradassay import Fault, Spec
from gradassay._simulated import SimulatedModel

Named = Mapping[str, Any]


class Planted:
    """One model, alive from call to call as a layer is, whose parameters are whatever it is called with.

    `fault` None is the right model. The tensors are all that are differentiated, inputs first, by canonical names.
    """

    def __init__(self, spec: Spec[Any, Any], config: Any, given: Named, dtype: str, fault: Fault | None) -> None:
        table = {tensor.name: tensor for tensor in spec.tensors(config, spec.call_of(config, given))}
        self.parameters = tuple(name for name in given if table[name].role == "parameter")
        self.names = tuple(given)
        self.outputs = tuple(name for name, tensor in table.items() if tensor.role == "output")
        self.shapes = {name: table[name].shape for name in self.outputs}
        self._inner = SimulatedModel(spec, config, {name: given[name] for name in self.parameters}, dtype, fault)
        self._model: Any = self._inner
        if fault is not None and fault.wrap is not None:
            self._model = fault.wrap(dtype, self._inner)

    def _inputs(self, arrays: Sequence[Any]) -> dict[str, Any]:
        """Put the parameters, in whatever memory they lie, into the model; return the rest."""
        given = dict(zip(self.names, arrays, strict=True))
        held = self._inner._parameters
        held.update({name: given.pop(name) for name in self.parameters})
        return given

    def forward(self, arrays: Sequence[Any]) -> list[Any]:
        found = self._model.forward(self._inputs(arrays))
        return [found[name] for name in self.outputs]

    def vjp(self, arrays: Sequence[Any], cotangents: Sequence[Any], wrt: Sequence[str]) -> list[Any]:
        """Return the gradients by `wrt`; a cotangent of None is that of an output that the loss does not see."""
        _, gradients = self._model.vjp(self._inputs(arrays), self._seen(cotangents), tuple(wrt))
        return [gradients[name] for name in wrt]

    def hvp(self, arrays: Sequence[Any], cotangents: Sequence[Any], tangents: Named) -> list[Any]:
        """Return the derivative of the gradients in this direction."""
        found = self._model.hvp(self._inputs(arrays), self._seen(cotangents), tangents, self.names)
        return [found[name] for name in self.names]

    def jvp(self, arrays: Sequence[Any], tangents: Named) -> list[Any]:
        """Return the derivative of the outputs in this direction."""
        _, pushed = self._model.jvp(self._inputs(arrays), tangents)
        return [pushed[name] for name in self.outputs]

    def _seen(self, cotangents: Sequence[Any]) -> dict[str, Any]:
        return {name: v for name, v in zip(self.outputs, cotangents, strict=True) if v is not None}


def in_torch(planted: Planted) -> Callable[..., Any]:
    """Return it as a function of torch tensors, in order, to a tuple of its outputs, twice differentiable.

    Memory is shared, as in torch. The derivatives of the VJP are the model's HVP and JVP.
    """
    import torch

    number = len(planted.names)

    def host(tensors: Sequence[Any]) -> list[Any]:
        return [None if tensor is None else tensor.detach().numpy() for tensor in tensors]

    def back(arrays: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(None if array is None else torch.from_numpy(np.array(array)) for array in arrays)

    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            ctx.set_materialize_grads(False)
            return back(planted.forward(host(tensors)))

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            wrt = tuple(name for name, needed in zip(planted.names, ctx.needs_input_grad, strict=True) if needed)
            pull: Callable[..., Any] = Pull.apply
            found = dict(zip(wrt, pull(wrt, *ctx.saved_tensors, *cotangents), strict=True))
            return tuple(found.get(name) for name in planted.names)

    class Pull(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, wrt: tuple[str, ...], *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            ctx.set_materialize_grads(False)
            ctx.wrt = wrt
            return back(planted.vjp(host(tensors[:number]), host(tensors[number:]), wrt))

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, *tangents: Any) -> Any:
            arrays = host(ctx.saved_tensors)
            moved = {name: u for name, u in zip(ctx.wrt, host(tangents), strict=True) if u is not None}
            second = planted.hvp(arrays[:number], arrays[number:], moved)
            pushed = planted.jvp(arrays[:number], moved)
            return None, *back(second), *back(pushed)

    apply: Callable[..., Any] = Forward.apply
    return apply


def in_jax(planted: Planted) -> Callable[..., Any]:
    """Return it as a function of JAX arrays, in order, to a tuple of its outputs; no gradient (None) is zero in JAX."""
    import jax

    shaped: Any = jax.ShapeDtypeStruct  # untyped in JAX

    def called(*arrays: Any) -> tuple[Any, ...]:
        like = tuple(shaped(planted.shapes[name], arrays[0].dtype) for name in planted.outputs)
        return tuple(jax.pure_callback(lambda *a: tuple(planted.forward([np.array(x) for x in a])), like, *arrays))

    def pulled(arrays: tuple[Any, ...], cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        like = tuple(shaped(array.shape, array.dtype) for array in arrays)

        def pull(arrays: Any, cotangents: Any) -> tuple[Any, ...]:
            host = [np.array(array) for array in arrays]
            found = planted.vjp(host, [np.array(v) for v in cotangents], planted.names)
            return tuple(np.zeros_like(a) if g is None else g for a, g in zip(host, found, strict=True))

        return tuple(jax.pure_callback(pull, like, arrays, cotangents))

    function = jax.custom_vjp(called)
    function.defvjp(lambda *arrays: (called(*arrays), arrays), pulled)
    return function

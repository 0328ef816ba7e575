"""Arrays, devices and derivatives in torch, of any function from named tensors to named tensors. Knows no model."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import torch

from gradassay._spec import Array

Named = Mapping[str, torch.Tensor]
Function = Callable[[Named], dict[str, torch.Tensor]]

BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)


def devices() -> tuple[str, ...]:
    """Return the devices that are really there."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def to_tensor(array: Array, device: str) -> torch.Tensor:
    """Return the array as a tensor: sharing its memory on the CPU if it is writable, else a copy.

    Shared on purpose: what the framework damages in place is then damaged in the caller's array,
    where the harness looks. `changed` looks where memory is not shared.
    """
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    if array.dtype == BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(array).to(device)


def to_array(tensor: torch.Tensor) -> Array:
    """Return the tensor as an array; no copy on the CPU, so that aliases and later overwriting stay visible."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        halves: Array = tensor.view(torch.int16).numpy()
        return halves.view(BFLOAT16)
    array: Array = tensor.numpy()
    return array


def name_of(device: torch.device) -> str:
    """Return a target's name for a device."""
    return f"{device.type}:{device.index}" if device.index else device.type


def changed(tensors: Named, arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """Name the tensors whose bytes are no longer those of the arrays that they were made from."""
    return tuple(name for name, array in arrays.items() if to_array(tensors[name]).tobytes() != array.tobytes())


def floating(tensors: Named) -> list[str]:
    """Name all that can require a gradient."""
    return [name for name, tensor in tensors.items() if tensor.is_floating_point()]


@contextmanager
def leaves(tensors: Named, names: Collection[str]) -> Iterator[None]:
    """Within, exactly the named tensors require a gradient; what they required before is restored."""
    before = {name: tensor.requires_grad for name, tensor in tensors.items() if tensor.is_floating_point()}
    try:
        for name in before:
            tensors[name].requires_grad_(name in names)
        with torch.enable_grad():  # a derivative is asked for, whatever the caller's own code is doing
            yield
    finally:
        for name, required in before.items():
            tensors[name].requires_grad_(required)


def gradients(
    outputs: Named, cotangents: Named, inputs: Sequence[torch.Tensor], **options: bool
) -> tuple[torch.Tensor | None, ...]:
    """Return the sum over outputs of J' v for each input; None where torch knows of no dependence."""
    live = [name for name in cotangents if outputs[name].requires_grad]
    if not live or not inputs:
        return (None,) * len(inputs)
    found: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        [outputs[name] for name in live], inputs, [cotangents[name] for name in live], allow_unused=True, **options
    )
    return found


def vjp(
    function: Function, tensors: Named, cotangents: Named, wrt: Sequence[str], differentiable: Collection[str]
) -> tuple[Named, dict[str, torch.Tensor | None]]:
    """Return (outputs, J' v); `differentiable` (at least `wrt`) is what requires a gradient while the function runs."""
    with leaves(tensors, differentiable):
        outputs = function(tensors)
        found = gradients(outputs, cotangents, [tensors[name] for name in wrt])
    return outputs, dict(zip(wrt, found, strict=True))


def pushforward(function: Function) -> Callable[[Named, Named], tuple[Named, Named]]:
    """Return the function (tensors, tangents) -> (outputs, J u), in forward mode; zero where nothing depends."""

    def push(tensors: Named, tangents: Named) -> tuple[Named, Named]:
        def moved(moving: Named) -> dict[str, torch.Tensor]:
            return function({**tensors, **moving})

        outputs, pushed, *_ = torch.func.jvp(moved, ({name: tensors[name] for name in tangents},), (dict(tangents),))
        return outputs, pushed

    return push


@cache
def prepare_forward_mode() -> None:
    """Import what torch imports at the first dual number: it still uses `torch.jit.script`, and warns of itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("torch._decomp.decompositions_for_jvp")


def jvp_double_vjp(function: Function, tensors: Named, tangents: Named) -> tuple[Named, Named]:
    """Return (outputs, J u) as the derivative of v -> J' v, which is linear in v: for paths without forward mode.

    The trick of `torch.autograd.functional.jvp`. Source: J. Townsend, 'A new trick for calculating
    Jacobian vector products', 2017.
    """
    names = list(tangents)
    with leaves(tensors, names):
        outputs = function(tensors)
        zeros = {name: torch.zeros_like(output, requires_grad=True) for name, output in outputs.items()}
        pulled = gradients(outputs, zeros, [tensors[name] for name in names], create_graph=True)
        linear = {name: value for name, value in zip(names, pulled, strict=True) if value is not None}
        pushed = gradients(linear, {name: tangents[name] for name in linear}, list(zeros.values()))
    found = zip(outputs, zeros.values(), pushed, strict=True)
    return outputs, {name: torch.zeros_like(zero) if value is None else value for name, zero, value in found}


def vjps(function: Function, tensors: Named, cotangents: Named, wrt: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return K VJPs of one forward pass, with K the first axis of every cotangent and answer: `vmap` of the pullback.

    Not `autograd.grad(is_grads_batched=True)`, whose graph was recorded without knowing of it: that takes three times
    as long over a recurrent layer.
    """

    def seen(moving: Named) -> dict[str, torch.Tensor]:
        outputs = function({**tensors, **moving})
        return {name: outputs[name] for name in cotangents}

    with leaves(tensors, ()):
        _, pull, *_ = torch.func.vjp(seen, {name: tensors[name] for name in wrt})
        (found,) = torch.vmap(pull)(dict(cotangents))
    return dict(found)


def jvps(function: Function, tensors: Named, tangents: Named, of: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return K JVPs, with K the first axis of every tangent and answer: `vmap` of forward mode."""
    still = {name: tensors[name] for name in tangents}

    def pushed(along: Named) -> dict[str, torch.Tensor]:
        def moved(moving: Named) -> dict[str, torch.Tensor]:
            outputs = function({**tensors, **moving})
            return {name: outputs[name] for name in of}

        return dict(torch.func.jvp(moved, (still,), (dict(along),))[1])

    prepare_forward_mode()
    with leaves(tensors, ()):
        return dict(torch.vmap(pushed)(dict(tangents)))


def jacobian(
    function: Function, tensors: Named, of: str, wrt: str, differentiable: Collection[str], batched: bool
) -> torch.Tensor:
    """Return d of / d wrt, shape `of.shape + wrt.shape`: one VJP under `vmap`, or one a row; zero if unconnected."""
    with leaves(tensors, differentiable):
        output, leaf = function(tensors)[of], tensors[wrt]
        shape = output.shape + leaf.shape
        if not output.numel() or not leaf.numel():
            return output.new_zeros(shape)
        basis = torch.eye(output.numel(), dtype=output.dtype, device=output.device).reshape(-1, *output.shape)
        if batched:
            (rows,) = gradients({of: output}, {of: basis}, [leaf], is_grads_batched=True)
            return output.new_zeros(shape) if rows is None else rows.reshape(shape)
        found = [gradients({of: output}, {of: row}, [leaf], retain_graph=True)[0] for row in basis]
        return torch.stack([torch.zeros_like(leaf) if row is None else row for row in found]).detach().reshape(shape)


def hvp(
    function: Function, tensors: Named, cotangents: Named, tangents: Named, wrt: Sequence[str]
) -> dict[str, torch.Tensor | None]:
    """Return the derivative of J' v in the direction u by double backward: d/d wrt of <u, J' v>, H being symmetric."""
    names = list(tangents)
    with leaves(tensors, {*names, *wrt}):
        outputs = function(tensors)
        pulled = gradients(outputs, cotangents, [tensors[name] for name in names], create_graph=True)
        slopes = {name: value for name, value in zip(names, pulled, strict=True) if value is not None}
        found = gradients(slopes, {name: tangents[name] for name in slopes}, [tensors[name] for name in wrt])
    return dict(zip(wrt, found, strict=True))

"""A plain JAX function as a model, for checking it with its own weights and data."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import jax
import numpy as np

from gradassay._backend import Unsupported
from gradassay._spec import Array
from gradassay_jax import _execution
from gradassay_jax._execution import Program, Tally
from gradassay_jax._framework import Arrays
from gradassay_jax._model import JaxModel

Adopted = Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]]


def adopt_function(
    function: Adopted,
    spec_name: str,
    config: object,
    parameters: Mapping[str, Array | jax.Array],
    mode: str = "as written",
) -> JaxModel:
    """Return the model that `function` computes.

    Args:
        function: `f(parameters, inputs) -> outputs`, dicts of jax arrays by the spec's canonical names.
        spec_name: the spec that it claims to follow; with `config` it says which tensors there are, which
            the function knows by itself: both are used for messages only.
        config: the spec's configuration.
        parameters: canonical, NumPy or jax arrays of one floating dtype; a jax array says which device.
        mode: "as written" (called as it stands: what it jits or scans is compiled, the rest goes op by op),
            "eager" (under `jax.disable_jit`) or "jit" (one executable for the whole).

    Raises:
        Unsupported: if the parameters are not all of one real floating dtype.
    """
    dtypes = {str(value.dtype) for value in parameters.values()}
    if len(dtypes) != 1 or not all(jax.numpy.issubdtype(dtype, jax.numpy.floating) for dtype in dtypes):
        raise Unsupported(
            f"{_name(function)} as {spec_name} ({config}): parameters are {', '.join(sorted(dtypes)) or 'none'}; "
            f"they should all be of one real floating dtype"
        )
    if dtypes == {"float64"} and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]  # jax sets it at run time
        raise Unsupported(
            f"{_name(function)} has parameters in float64, which this jax would make float32: call "
            "jax.config.update('jax_enable_x64', True) before any array is made"
        )
    names = frozenset(parameters)

    def apply(values: Arrays, tally: Tally) -> dict[str, jax.Array]:
        own = {name: value for name, value in values.items() if name in names}
        given = {name: value for name, value in values.items() if name not in names}
        return dict(function(own, given))

    program = Program(apply)
    devices = {d for value in parameters.values() if isinstance(value, jax.Array) for d in value.devices()}
    device = min(devices, key=lambda d: d.id) if devices else jax.devices()[0]
    host = {name: np.asarray(value) for name, value in parameters.items()}
    return JaxModel(program, _execution.make(mode, program), host, device)


def is_function(value: object) -> TypeGuard[Adopted]:
    """Tell functions, jitted ones among them, from layers: those of other frameworks can be called as well."""
    kinds = (types.FunctionType, types.MethodType, functools.partial, type(jax.jit(_name)))
    return isinstance(value, kinds)


def to_numpy(tensor: object) -> Array | None:
    """Return a JAX array as one of NumPy; None for anything else."""
    return np.asarray(tensor) if isinstance(tensor, jax.Array) else None


def _name(function: object) -> str:
    return getattr(function, "__name__", repr(function))

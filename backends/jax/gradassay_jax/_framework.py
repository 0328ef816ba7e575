"""JAX as it is here: devices, versions, arrays to and fro, and what is measured about its arithmetic."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from importlib.metadata import version

import jax
import ml_dtypes
import numpy as np

from gradassay._backend import Unsupported
from gradassay._spec import Array, Tensors

Arrays = Mapping[str, jax.Array]


def available() -> dict[str, jax.Device]:
    """Return the devices that are here, by the names that targets use: "cpu", "cpu:1", "cuda"."""
    found = dict(zip(("cpu", "cpu:1"), jax.devices("cpu"), strict=False))
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    return found | dict(zip(("cuda",), gpus, strict=False))


def device(name: str) -> jax.Device:
    """Return the device of this name.

    Raises:
        Unsupported: if it is not here.
    """
    found = available()
    if name not in found:
        raise Unsupported(f"jax has no device {name} in this process; it has {', '.join(found)}")
    return found[name]


def versions() -> dict[str, str]:
    packages = ("jax", "jaxlib", "numpy", "ml_dtypes")
    found = {name: version(name) for name in packages} | {"xla_flags": os.environ.get("XLA_FLAGS", "")}
    gpus = [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    return found | dict(zip(("gpu",), gpus, strict=False))


def place(tensors: Tensors, where: jax.Device) -> dict[str, jax.Array]:
    """Commit copies of NumPy arrays to a device: `device_put` may share memory with what it is given.

    Raises:
        RuntimeError: if JAX would silently make float64 into float32.
    """
    placed = {name: jax.device_put(np.array(value), where) for name, value in tensors.items()}
    for name, value in placed.items():
        if value.dtype != tensors[name].dtype and value.dtype.kind == "f":
            raise RuntimeError(
                f"{name} is {tensors[name].dtype}, but JAX made it {value.dtype}: set JAX_ENABLE_X64=1 "
                f"before jax is imported"
            )
    return placed


def fetch(arrays: Arrays) -> dict[str, Array]:
    """Return NumPy arrays of one's own."""
    return {name: np.array(value) for name, value in arrays.items()}


def where(arrays: Arrays) -> str:
    """Say on which device answers are: a target's name for it, or all names if they disagree."""
    return " and ".join(sorted({name_of(device) for value in arrays.values() for device in value.devices()}))


def name_of(device: jax.Device) -> str:
    """Return a target's name for a device; JAX's own where targets have none."""
    return next((name for name, known in available().items() if known == device), str(device))


@functools.cache
def subnormals(dtype: np.dtype[np.generic], on: jax.Device) -> str:
    """Measure whether halving the smallest normal number gives a subnormal or zero."""
    smallest = ml_dtypes.finfo(dtype).smallest_normal  # type: ignore[no-untyped-call]  # untyped in ml_dtypes
    tiny = jax.device_put(np.full(8, smallest, dtype), on)
    return "kept" if np.any(np.array(tiny * tiny.dtype.type(0.5)) != 0) else "flushed"

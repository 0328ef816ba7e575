"""TensorFlow at the edge: devices, versions, and NumPy arrays to tensors and back. Knows no model and no derivative."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import keras
import ml_dtypes
import numpy as np
import tensorflow as tf

from gradassay._backend import Unsupported
from gradassay._spec import Array
from gradassay._target import numpy_dtype

Tensor = Any  # tf.Tensor: TensorFlow publishes no types
Variable = Any  # tf.Variable

_LOGICAL = {"cpu": "CPU:0", "cpu:1": "CPU:1", "cuda": "GPU:0"}


@cache
def configure() -> None:
    """Give the process two logical CPU devices; once, before any use of TensorFlow.

    Devices are settled when TensorFlow initialises. In a process that has used it already, such as a
    user's own, they stay as they are: `devices` then has no second CPU to report.
    """
    if keras.backend.backend() != "tensorflow":
        raise Unsupported(
            f"Keras runs on {keras.backend.backend()} in this process; "
            "KERAS_BACKEND should be tensorflow before its import"
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    except RuntimeError:  # TensorFlow's answer when it is initialised
        tf.config.list_logical_devices()


def devices() -> tuple[str, ...]:
    """Return the names of the devices that are there, the first CPU first."""
    configure()
    there = {device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()}
    return tuple(name for name, logical in _LOGICAL.items() if logical in there)


def placement(device: str) -> str:
    """Return TensorFlow's name of one of our devices.

    Raises:
        Unsupported: if this process does not have it.
    """
    if device not in devices():
        raise Unsupported(f"there is no device {device!r} in this process; there are {', '.join(devices())}")
    return f"/device:{_LOGICAL[device]}"


def device_of(tensor: Tensor) -> str:
    """Return our name of the device that a tensor lies on."""
    logical = tensor.device.rpartition("device:")[2]
    return next((name for name, known in _LOGICAL.items() if known == logical), logical)


def versions() -> Mapping[str, str]:
    """Return the versions, and what else decides the arithmetic."""
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "intra-op threads": os.environ.get("TF_NUM_INTRAOP_THREADS", "default"),
        "CUDA": str(tf.sysconfig.get_build_info().get("cuda_version", "none")),
        **({"gpu": str(gpus[0].get("device_name", "not told"))} if gpus else {}),
    }


def to_tensor(array: Array) -> Tensor:
    """Return a tensor of the same dtype, bfloat16 included."""
    return tf.constant(array)


def to_array(tensor: Tensor) -> Array:
    """Return a NumPy array of its own memory; an `IndexedSlices` becomes dense."""
    return np.array(tf.convert_to_tensor(tensor).numpy(), copy=True, order="C")


@cache
def smallest_normal(dtype: str) -> Array:
    """Return the smallest normal number of a dtype, as an array of one element."""
    limits: Any = ml_dtypes.finfo  # knows NumPy's own dtypes too, but publishes types for neither
    return np.array([limits(numpy_dtype(dtype)).smallest_normal], dtype=numpy_dtype(dtype))

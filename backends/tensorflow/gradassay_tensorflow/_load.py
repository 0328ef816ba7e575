"""From a backend's name and a spec's to a model on a device."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradassay._backend import Unsupported
from gradassay._spec import Tensors
from gradassay._target import Target
from gradassay_tensorflow import _checkpoint, _loop, _lstm
from gradassay_tensorflow._framework import placement
from gradassay_tensorflow._model import TensorFlowModel
from gradassay_tensorflow._modes import Execution
from gradassay_tensorflow._mse import mean_squared_error
from gradassay_tensorflow.programs import programs


def load(backend: str, spec: str, config: Any, parameters: Tensors, target: Target) -> TensorFlowModel:
    """Return the model of `spec` with canonical `parameters`, executed as `target` says.

    Raises:
        Unsupported: if there is no such spec here, the device is not there, or Keras has no such LSTM.
    """
    own = programs if backend == "tensorflow" else {}
    if spec not in ("lstm", "mse", *own):
        raise Unsupported(f"{backend} has no {spec!r}; it has {', '.join(('lstm', 'mse', *own))}")
    tf.config.experimental.enable_tensor_float_32_execution(False)  # on a GPU, float32 should mean float32
    mode = target.mode
    execution = Execution("graph" if mode == "unrolled" else mode, target.device, target.dtype)
    with tf.device(placement(target.device)):
        if spec in own:
            chosen = own[spec]
            built = chosen.build(config, parameters, target.dtype, mode == "xla")
            return TensorFlowModel(
                built.function, built.convention, execution, built.kernel, chosen.instead, chosen.zeros
            )
        if backend == "tensorflow-loop":
            cell = _checkpoint.Checkpoints() if mode == "checkpoint" else None
            function, layout, kernel = _loop.lstm(config, parameters, cell), _loop.LAYOUT, _loop.KERNEL
            if cell is not None:
                execution = Execution("eager", target.device, target.dtype, cell.facts)
        else:
            if config.projection:
                raise Unsupported("keras.layers.LSTM has no projection")
            function, kernel = _lstm.lstm(
                config,
                parameters,
                target.dtype,
                compiled=mode == "xla",
                training=mode == "training",
                unroll=mode == "unrolled",
            )
            layout = _lstm.LAYOUT
            if mode == "training":
                execution = Execution("eager", target.device, target.dtype, _lstm.trained)
    if spec == "mse":
        function = mean_squared_error(function)
    return TensorFlowModel(function, layout, execution, kernel)

"""A decorated function as a model."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradassay import _decorated
from gradassay._spec import Tensors
from gradassay._target import Target
from gradassay_tensorflow._convention import AsNamed
from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import Tensor, placement, to_tensor
from gradassay_tensorflow._model import TensorFlowModel
from gradassay_tensorflow._modes import Execution

KERNEL = "a function as given"


def load(function: _decorated.Function, config: Any, parameters: Tensors, target: Target) -> TensorFlowModel:
    tf.config.experimental.enable_tensor_float_32_execution(False)  # on a GPU, float32 should mean float32
    with tf.device(placement(target.device)):
        variables = {name: tf.Variable(to_tensor(array), name=name) for name, array in parameters.items()}

    def call(inputs: Named) -> dict[str, Tensor]:
        own = {name: tf.convert_to_tensor(variable) for name, variable in variables.items()}
        return _decorated.call(function, config, own, inputs, tf.Tensor, "tf.Tensor")

    execution = Execution(target.mode, target.device, target.dtype)
    return TensorFlowModel(Differentiable(call, variables), AsNamed(), execution, KERNEL)

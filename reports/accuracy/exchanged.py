"""TensorFlow's LSTM cell with its own sigmoid and tanh, and with correctly rounded ones: what the two cost.

    gradassay verify reports/accuracy/exchanged.py:own reports/accuracy/exchanged.py:rounded --suite calibration ...

Beside the two functions nothing differs: the same products, the same slopes, the same loop, all in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gradassay_tensorflow import backend

Function = Callable[[Any], Any]


def _lstm(
    parameters: Mapping[str, Any], inputs: Mapping[str, Any], sigmoid: Function, tanh: Function
) -> dict[str, Any]:
    """One layer, one direction, as the spec writes it."""
    w, u = parameters["weight_ih_l0"], parameters["weight_hh_l0"]
    b = parameters["bias_ih_l0"] + parameters["bias_hh_l0"]
    h, c, y = inputs["h0"][0], inputs["c0"][0], []
    for x in tf.unstack(inputs["x"], axis=1):
        i, f, g, o = tf.split(tf.matmul(x, w, transpose_b=True) + tf.matmul(h, u, transpose_b=True) + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        y.append(h)
    return {"y": tf.stack(y, axis=1), "h_n": h[None], "c_n": c[None]}


def _with(values: Callable[[Any], Any], slope: Function) -> Function:
    """Return a function with these values, and the slope that follows from them by TensorFlow's own operations."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow publishes no types
    def function(x: Any) -> Any:
        y = values(x)
        return y, lambda upstream: upstream * slope(y)

    return function  # type: ignore[no-any-return]


def _rounded(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Evaluate in the widest type that NumPy has (64 bits of significand on x86), and round once."""

    def values(x: Any) -> Any:
        with np.errstate(over="ignore"):
            return tf.constant(function(x.numpy().astype(np.longdouble)).astype(x.numpy().dtype))

    return values


def _sigmoid_slope(y: Any) -> Any:
    return y * (1 - y)


def _tanh_slope(y: Any) -> Any:
    return 1 - y * y


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@backend(spec="lstm", modes={"eager"}, operators={"forward", "vjp"})
def own(config: Any, parameters: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _lstm(parameters, inputs, _with(tf.sigmoid, _sigmoid_slope), _with(tf.tanh, _tanh_slope))


@backend(spec="lstm", modes={"eager"}, operators={"forward", "vjp"})
def rounded(config: Any, parameters: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _lstm(parameters, inputs, _with(_rounded(_sigmoid), _sigmoid_slope), _with(_rounded(np.tanh), _tanh_slope))

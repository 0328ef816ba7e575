"""An LSTM as a user writes one, in NumPy, and ways to get its adapter wrong; `torch_lstm` is the same in torch.

Each mistake takes the right function's arguments and returns wrong outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay_numpy._cell import sigmoid

FEATURES = ("layers", "bidirectional", "absent_states")

NUMPY = """
import numpy as np
from gradassay_numpy import backend


def sigmoid(a):
    small = np.exp(-np.abs(a))
    return np.where(a >= 0, 1, small) / (1 + small)


@backend(spec="lstm", features={"layers"})
def lstm(config, parameters, inputs):
    y, h_n, c_n = inputs["x"], [], []
    for layer in range(config.num_layers):
        w, u = parameters[f"weight_ih_l{layer}"], parameters[f"weight_hh_l{layer}"]
        b = parameters[f"bias_ih_l{layer}"] + parameters[f"bias_hh_l{layer}"]
        h, c, steps = inputs["h0"][layer], inputs["c0"][layer], []
        for x in np.moveaxis(y, 1, 0):
            i, f, g, o = np.split(x @ w.T + h @ u.T + b, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            steps.append(h)
        y = np.stack(steps, axis=1)
        h_n.append(h)
        c_n.append(c)
    return {"y": y, "h_n": np.stack(h_n), "c_n": np.stack(c_n)}
"""

TORCH = """
import torch
from gradassay_torch import backend


@backend(spec="lstm", features={"layers"})
def lstm(config, parameters, inputs):
    y, h_n, c_n = inputs["x"], [], []
    for layer in range(config.num_layers):
        w, u = parameters[f"weight_ih_l{layer}"], parameters[f"weight_hh_l{layer}"]
        b = parameters[f"bias_ih_l{layer}"] + parameters[f"bias_hh_l{layer}"]
        h, c, steps = inputs["h0"][layer], inputs["c0"][layer], []
        for x in y.unbind(1):
            i, f, g, o = (x @ w.T + h @ u.T + b).chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            steps.append(h)
        y = torch.stack(steps, dim=1)
        h_n.append(h)
        c_n.append(c)
    return {"y": y, "h_n": torch.stack(h_n), "c_n": torch.stack(c_n)}
"""

JAX = """
import jax
import jax.numpy as jnp
from gradassay_jax import backend


@backend(spec="lstm", features={"layers"})
def lstm(config, parameters, inputs):
    y, h_n, c_n = inputs["x"], [], []
    for layer in range(config.num_layers):
        w, u = parameters[f"weight_ih_l{layer}"], parameters[f"weight_hh_l{layer}"]
        b = parameters[f"bias_ih_l{layer}"] + parameters[f"bias_hh_l{layer}"]

        def step(state, x):
            h, c = state
            i, f, g, o = jnp.split(x @ w.T + h @ u.T + b, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        (h, c), y = jax.lax.scan(step, (inputs["h0"][layer], inputs["c0"][layer]), y.swapaxes(0, 1))
        y = y.swapaxes(0, 1)
        h_n.append(h)
        c_n.append(c)
    return {"y": y, "h_n": jnp.stack(h_n), "c_n": jnp.stack(c_n)}
"""

TENSORFLOW = """
import tensorflow as tf
from gradassay_tensorflow import backend


@backend(spec="lstm", features={"layers"})
def lstm(config, parameters, inputs):
    y, h_n, c_n = inputs["x"], [], []
    for layer in range(config.num_layers):
        w, u = parameters[f"weight_ih_l{layer}"], parameters[f"weight_hh_l{layer}"]
        b = parameters[f"bias_ih_l{layer}"] + parameters[f"bias_hh_l{layer}"]
        h, c, steps = inputs["h0"][layer], inputs["c0"][layer], []
        for x in tf.unstack(y, axis=1):
            before = tf.matmul(x, w, transpose_b=True) + tf.matmul(h, u, transpose_b=True) + b
            i, f, g, o = tf.split(before, 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            steps.append(h)
        y = tf.stack(steps, axis=1)
        h_n.append(h)
        c_n.append(c)
    return {"y": y, "h_n": tf.stack(h_n), "c_n": tf.stack(c_n)}
"""

SOURCES = {"numpy": NUMPY, "torch": TORCH, "jax": JAX, "tensorflow": TENSORFLOW}


def lstm(
    config: Any, parameters: Mapping[str, Any], inputs: Mapping[str, Any], gates: str = "ifgo"
) -> dict[str, np.ndarray[Any, Any]]:
    """Both directions, states absent or given; `gates` is the order in which the blocks are taken for."""
    y, h_n, c_n = inputs["x"], [], []
    zeros = np.zeros((1, y.shape[0], config.hidden_size), y.dtype)
    for layer in range(config.num_layers):
        sides = []
        for direction in range(config.directions):
            suffix, cell = f"_l{layer}" + ("_reverse" if direction else ""), layer * config.directions + direction
            w, u = parameters["weight_ih" + suffix], parameters["weight_hh" + suffix]
            b = parameters["bias_ih" + suffix] + parameters["bias_hh" + suffix]
            h = inputs["h0"][cell] if "h0" in inputs else zeros[0]
            c = inputs["c0"][cell] if "c0" in inputs else zeros[0]
            steps = np.moveaxis(y, 1, 0)
            outputs = []
            for x in steps[::-1] if direction else steps:
                blocks = dict(zip(gates, np.split(x @ w.T + h @ u.T + b, 4, axis=-1), strict=True))
                c = sigmoid(blocks["f"]) * c + sigmoid(blocks["i"]) * np.tanh(blocks["g"])
                h = sigmoid(blocks["o"]) * np.tanh(c)
                outputs.append(h)
            sides.append(np.stack(outputs[::-1] if direction else outputs, axis=1))
            h_n.append(h)
            c_n.append(c)
        y = np.concatenate(sides, axis=-1)
    return {"y": y, "h_n": np.stack(h_n), "c_n": np.stack(c_n)}

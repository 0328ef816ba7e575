"""An LSTM written from tensor operations, its time steps in a `tf.while_loop`; parameters are variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from gradassay._spec import Tensors
from gradassay_lstm import LSTM, layouts
from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import Tensor, Variable, to_tensor

Cell = Callable[[Mapping[str, Tensor], Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
KERNEL = "tensor operations in tf.while_loop"


def lstm(config: LSTM, parameters: Tensors, cell: Cell | None = None) -> Differentiable:
    """Return the LSTM of `config`, with its parameters as variables on the current device; each step is `cell`."""
    arrays = LAYOUT.forward(parameters)
    variables = {name: tf.Variable(to_tensor(array), name=name) for name, array in arrays.items()}
    return Differentiable(lambda inputs: _stack(config, variables, inputs, cell or step_of), variables)


LAYOUT = layouts["torch"]  # every parameter a variable of its own, as the spec names it


def _stack(config: LSTM, weights: Mapping[str, Variable], inputs: Named, one: Cell) -> dict[str, Tensor]:
    """Return y (B,T,D*state), h_n (L*D,B,state), c_n (L*D,B,H)."""
    y = inputs["x"]
    batch, steps, _ = y.shape
    zeros = {"h0": tf.zeros((batch, config.state_size), y.dtype), "c0": tf.zeros((batch, config.hidden_size), y.dtype)}
    given = {name: tf.unstack(inputs[name]) for name in zeros if name in inputs}
    valid = tf.transpose(tf.sequence_mask(inputs["lengths"], steps))[..., None] if "lengths" in inputs else None
    h_n, c_n, directions = [], [], []
    for number, (layer, direction, suffix) in enumerate(config.cells()):
        h, c = (given[name][number] if name in given else zero for name, zero in zeros.items())
        cell = {name.removesuffix(suffix): weight for name, weight in weights.items() if name.endswith(suffix)}
        out, h, c = _direction(one, cell, y, h, c, valid, backwards=direction == 1)
        h_n.append(h)
        c_n.append(c)
        directions.append(out)
        if len(directions) == config.directions:
            y, directions = tf.concat(directions, axis=-1), []
            mask = inputs.get(f"dropout_mask_l{layer}")
            y = y if mask is None else y * mask
    return {"y": y, "h_n": tf.stack(h_n), "c_n": tf.stack(c_n)}


def _direction(
    one: Cell,
    cell: Mapping[str, Variable],
    x: Tensor,
    h: Tensor,
    c: Tensor,
    valid: Tensor | None,
    backwards: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run x (B,T,in) from h (B,state), c (B,H); `valid` (T,B,1) is False on padding, where the state stands still.

    A backward run that stands still on the padding starts at each sample's own last step.
    """
    batch, steps, width = x.shape
    if steps == 0:
        return tf.zeros((batch, 0, h.shape[-1]), x.dtype), h, c
    xs = tf.TensorArray(x.dtype, steps, element_shape=(batch, width)).unstack(tf.transpose(x, (1, 0, 2)))
    ys = tf.TensorArray(x.dtype, steps, element_shape=h.shape)

    def step(count: Tensor, h: Tensor, c: Tensor, ys: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        time = steps - 1 - count if backwards else count
        new_h, new_c = one(cell, xs.read(time), h, c)
        out = new_h
        if valid is not None:
            here = valid[time]
            out = tf.where(here, new_h, tf.zeros_like(new_h))
            new_h, new_c = tf.where(here, new_h, h), tf.where(here, new_c, c)
        return count + 1, new_h, new_c, ys.write(time, out)

    _, h, c, ys = tf.while_loop(
        lambda count, *_: count < steps, step, (tf.constant(0), h, c, ys), maximum_iterations=steps
    )
    return tf.transpose(ys.stack(), (1, 0, 2)), h, c


def step_of(cell: Mapping[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return (h, c) after one step."""
    gates = tf.matmul(x, cell["weight_ih"], transpose_b=True) + tf.matmul(h, cell["weight_hh"], transpose_b=True)
    if "bias_ih" in cell:
        gates += cell["bias_ih"] + cell["bias_hh"]
    i, f, g, o = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    h = tf.sigmoid(o) * tf.tanh(c)
    return (tf.matmul(h, cell["weight_hr"], transpose_b=True) if "weight_hr" in cell else h), c

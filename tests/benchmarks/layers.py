"""One LSTM in torch, JAX and Keras, as their users write it, and its bare forward and backward."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradassay_lstm import LSTM, layouts

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """Rows, steps, features and units."""

    B: int
    T: int
    N: int
    H: int

    def __str__(self) -> str:
        return f"B={self.B}, T={self.T}, N={self.N}, H={self.H}"

    @property
    def config(self) -> LSTM:
        return LSTM(self.N, self.H)

    def data(self) -> Arrays:
        """Draw inputs and states in float64."""
        words = np.random.default_rng(self.T)
        state = (1, self.B, self.H)
        return {"x": words.normal(size=(self.B, self.T, self.N)), "h0": words.normal(size=state),
                "c0": words.normal(size=state)}  # fmt: skip

    def parameters(self) -> Arrays:
        words, width = np.random.default_rng(self.H), 4 * self.H
        shapes = {"weight_ih_l0": (width, self.N), "weight_hh_l0": (width, self.H), "bias_ih_l0": (width,),
                  "bias_hh_l0": (width,)}  # fmt: skip
        return {name: words.uniform(-1, 1, size=shape) / np.sqrt(self.H) for name, shape in shapes.items()}


MAIN = Size(1, 32, 16, 32)
SMALL = Size(2, 16, 8, 16)


@dataclass
class Live:
    """A layer with its data.

    Attributes:
        check: the arguments of `gradassay.check`, beside the layer.
        bare: (inputs, cotangents) -> (outputs, gradients by the framework's names): the framework's best way, compiled
            if it compiles, with arrays of the framework's own in and out.
        plain: the same, as the layer is called where nobody compiles.
        tensors: the data, and given cotangents, as arrays of the framework.
        canonical: gradients by the framework's names and layout as those of the spec.
        compiled: seconds that compiling `bare` took.
    """

    framework: str
    layer: Any
    check: Mapping[str, Any]
    bare: Callable[[Any, Any], tuple[Any, Any]]
    plain: Callable[[Any, Any], Any]
    tensors: Callable[[Mapping[str, Any]], Any]
    canonical: Callable[[Arrays], Arrays] = dict
    compiled: float = 0.0

    def warm(self, inputs: Any, cotangents: Any) -> None:
        start = time.perf_counter()
        self.bare(inputs, cotangents)
        self.compiled = time.perf_counter() - start


def torch_lstm(size: Size) -> Live:
    import torch

    layer = torch.nn.LSTM(size.N, size.H, batch_first=True, dtype=torch.float64)
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in size.parameters().items()})
    parameters = dict(layer.named_parameters())

    def bare(inputs: Arrays, cotangents: Arrays) -> tuple[Arrays, Arrays]:
        given = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
        y, (h_n, c_n) = layer(given["x"], (given["h0"], given["c0"]))
        outputs = {"y": y, "h_n": h_n, "c_n": c_n}
        wrt = given | parameters
        pulled = torch.autograd.grad(list(outputs.values()), list(wrt.values()), [cotangents[n] for n in outputs])
        return outputs, dict(zip(wrt, pulled, strict=True))

    def tensors(arrays: Mapping[str, Any]) -> Arrays:
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    return Live("torch", layer, size.data(), bare, bare, tensors)


def jax_function(p: Arrays, inputs: Arrays) -> Arrays:
    """An LSTM as JAX's users write one: a scan over steps."""
    import jax
    from jax import numpy as jnp

    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        gates = x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (inputs["h0"][0], inputs["c0"][0]), jnp.swapaxes(inputs["x"], 0, 1))
    return {"y": jnp.swapaxes(y, 0, 1), "h_n": h[None], "c_n": c[None]}


def jax_lstm(size: Size) -> Live:
    import jax
    from jax import numpy as jnp

    parameters = {name: jnp.asarray(array) for name, array in size.parameters().items()}

    function = jax.jit(jax_function)

    def pulled(p: Arrays, inputs: Arrays, cotangents: Arrays) -> Any:
        outputs, pull = jax.vjp(function, p, inputs)
        of_parameters, of_inputs = pull(cotangents)
        return outputs, of_parameters | of_inputs

    compiled = jax.jit(pulled)

    def bare(inputs: Arrays, cotangents: Arrays) -> tuple[Arrays, Arrays]:
        found: tuple[Arrays, Arrays] = jax.block_until_ready(compiled(parameters, inputs, cotangents))
        return found

    def plain(inputs: Arrays, cotangents: Arrays) -> Any:
        return jax.block_until_ready(pulled(parameters, inputs, cotangents))

    def tensors(arrays: Mapping[str, Any]) -> Arrays:
        return {name: jnp.asarray(array) for name, array in arrays.items()}

    given = {"config": size.config, **parameters, **size.data()}
    return Live("jax", function, given, bare, plain, tensors)


def keras_lstm(size: Size) -> Live:
    import keras
    import tensorflow as tf

    layout = layouts["keras"]
    # With what it returns, it is checked as it is; another one would be copied around its own cell, each time.
    returns = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
    layer = keras.layers.LSTM(size.H, dtype="float64", **returns)
    layer.build((size.B, size.T, size.N))
    arrays = layout.forward(size.parameters())
    names = ["kernel_l0", "recurrent_l0", "bias_l0"]
    for variable, name in zip(layer.weights, names, strict=True):
        variable.assign(arrays[name])
    canonical = list(size.parameters())

    def pulled(inputs: Arrays, cotangents: Arrays) -> Any:
        variables = [weight.value for weight in layer.weights]
        with tf.GradientTape() as tape:
            tape.watch(list(inputs.values()))
            y, h_n, c_n = layer(inputs["x"], initial_state=[inputs["h0"][0], inputs["c0"][0]])
            outputs = {"y": y, "h_n": h_n[None], "c_n": c_n[None]}
        seen = [cotangents[name] for name in outputs]
        return outputs, tape.gradient(list(outputs.values()), [*inputs.values(), *variables], seen)

    compiled = tf.function(pulled)

    def bare(inputs: Arrays, cotangents: Arrays) -> tuple[Arrays, Arrays]:
        outputs, found = compiled(inputs, cotangents)
        return outputs, dict(zip((*inputs, *names), found, strict=True))

    def tensors(given: Mapping[str, Any]) -> Arrays:
        return {name: tf.constant(array) for name, array in given.items()}

    def to_canonical(gradients: Arrays) -> Arrays:
        held = {name: gradients[name].numpy() for name in names}
        return {name: gradients[name] for name in ("x", "h0", "c0")} | layout.adjoint(held, canonical)

    return Live("keras", layer, size.data(), bare, pulled, tensors, to_canonical)

import jax
import jax.numpy as jnp

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
linear = jax.random.normal(jax.random.key(1), (2, 4))
x = jax.random.normal(jax.random.key(2), (2, 5, 3))  # batch, steps, features
labels = jnp.array([0, 1])


def loss(last):
    return -jax.nn.log_softmax(last @ linear.T)[jnp.arange(2), labels].mean()


last, pull = jax.vjp(lambda x: lstm(weights, {"x": x})["y"][:, -1], x)
dlast = jax.grad(loss)(last)
(dx,) = pull(dlast)
print("dx", dx.shape, "its norm at each step", *(f"{n:.3f}" for n in jnp.linalg.norm(dx, axis=(0, 2))))
given = {"x": x, "cotangents": {"h_n": dlast[None]}, "wrt": ["x"]}
print(str(gradassay.check(lstm, config=LSTM(3, 4), **weights, **given)).splitlines()[-1])

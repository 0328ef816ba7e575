import jax
import jax.numpy as jnp

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
x = jax.random.normal(jax.random.key(1), (2, 5, 3))


def norm(tree):
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))


gradients = jax.grad(lambda w: jnp.sum((10 * lstm(w, {"x": x})["y"]) ** 2))(weights)
scale = jnp.minimum(1.0, 1.0 / norm(gradients))
clipped = jax.tree.map(lambda g: scale * g, gradients)
print(f"from {norm(gradients):.3f} to {norm(clipped):.6f}")
v = {"y": 200 * lstm(weights, {"x": x})["y"]}
print(str(gradassay.check(lstm, config=LSTM(3, 4), **weights, x=x, cotangents=v)).splitlines()[-1])

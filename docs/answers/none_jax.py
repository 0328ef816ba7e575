import jax
import jax.numpy as jnp

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
x = jax.random.normal(jax.random.key(1), (2, 5, 3))
other = jnp.ones(3)


def loss(x, other):
    return lstm(weights, {"x": x})["y"][:, :2].sum()  # steps 0 and 1 alone


dx, dother = jax.grad(loss, argnums=(0, 1))(x, other)
print("x, later steps: zero:", not dx[:, 2:].any())
print("other, not used: zero, never None:", dother)
try:
    jax.grad(lambda tokens: jnp.eye(3)[tokens].sum())(jnp.array([1, 2, 0]))
except TypeError as error:
    print("integers:", str(error).partition(". ")[0])
said = gradassay.check(lstm, config=LSTM(3, 4), **weights, x=x, properties=["contract"])
print(str(said).splitlines()[-1])

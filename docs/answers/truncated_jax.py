import jax
import jax.numpy as jnp

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
x = jax.random.normal(jax.random.key(1), (2, 6, 3))


def last(x, truncated):
    made = lstm(weights, {"x": x[:, :3]})
    state = {"h0": made["h_n"], "c0": made["c_n"]}
    if truncated:
        state = jax.lax.stop_gradient(state)  # the values go on, the gradient not
    return lstm(weights, {"x": x[:, 3:], **state})["y"].sum(), state  # the loss sees the last chunk


for truncated in (False, True):
    dx, state = jax.grad(last, has_aux=True)(x, truncated)
    norms = jnp.linalg.norm(dx, axis=(0, 2))
    print("stopped" if truncated else "whole", *(f"{n:.3f}" for n in norms))
given = {"x": x[:, 3:], **state, "cotangents": {"y": jnp.ones((2, 3, 4))}, "wrt": ["x"]}
print(str(gradassay.check(lstm, config=LSTM(3, 4), **weights, **given)).splitlines()[-1])

import jax
import jax.numpy as jnp

import gradassay
from gradassay_lstm import LSTM
from gradassay_one_to_many import OneToMany
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
weights |= {"weight_out": jax.random.normal(jax.random.key(1), (3, 4)), "bias_out": jnp.zeros(3)}
v = jax.random.normal(jax.random.key(2), (2, 3))  # one vector a sample
zero = jnp.zeros((1, 2, 4))


def linear(w, h):
    return h @ w["weight_out"].T + w["bias_out"]


def repeated(w, inputs):
    made = lstm(w, {**inputs, "x": jnp.repeat(inputs["x"][:, None], 5, axis=1)})
    return {**made, "y": linear(w, made["y"])}  # (B, 5, 3)


def fed_back(w, inputs):
    def step(carry, _):
        x, h, c = carry
        made = lstm(w, {"x": x[:, None], "h0": h, "c0": c})  # one step
        y = linear(w, made["y"][:, 0])
        return (y, made["h_n"], made["c_n"]), y

    (_, h, c), y = jax.lax.scan(step, (inputs["x"], inputs["h0"], inputs["c0"]), length=5)
    return {"y": y.swapaxes(0, 1), "h_n": h, "c_n": c}  # (B, 5, 3)


for f, feedback in ((repeated, False), (fed_back, True)):
    J = jax.jacrev(lambda v, f=f: f(weights, {"x": v, "h0": zero, "c0": zero})["y"])(v)
    norms = [f"{jnp.linalg.norm(J[:, t]):.3g}" for t in range(5)]
    print(f"{f.__name__}: dy/dv {J.shape}, norm by output step", *norms)
    config = OneToMany(LSTM(3, 4), steps=5, outputs=3, feedback=feedback)
    said = gradassay.check(f, config=config, **weights, x=v, h0=zero, c0=zero)
    print(str(said).splitlines()[-1])

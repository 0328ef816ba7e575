import jax

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw


def step(weights, state, x):
    h, c = state
    w, u = weights["weight_ih_l0"], weights["weight_hh_l0"]  # (4H, N) and (4H, H)
    gates = x @ w.T + h @ u.T + weights["bias_ih_l0"] + weights["bias_hh_l0"]
    i, f, g, o = jax.numpy.split(gates, 4, axis=-1)  # (B, 4H), then 4 times (B, H)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
    h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
    return (h, c), h


def lstm(weights, inputs):
    state = inputs["h0"][0], inputs["c0"][0]
    (h, c), y = jax.lax.scan(lambda s, x: step(weights, s, x), state, inputs["x"].swapaxes(0, 1))
    return {"y": y.swapaxes(0, 1), "h_n": h[None], "c_n": c[None]}


weights = draw(jax.random.key(0), 3, 4)
x = jax.random.normal(jax.random.key(1), (2, 5, 3))
h0, c0 = jax.random.normal(jax.random.key(2), (2, 1, 2, 4))
dw = jax.grad(lambda w: lstm(w, {"x": x, "h0": h0, "c0": c0})["y"].sum())(weights)
print({name: gradient.shape for name, gradient in dw.items()})
print(str(gradassay.check(lstm, config=LSTM(3, 4), **weights, x=x, h0=h0, c0=c0)).splitlines()[-1])

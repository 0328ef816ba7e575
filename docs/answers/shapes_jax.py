import jax

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

keys = iter(jax.random.split(jax.random.key(0), 20))
for steps, layers in [(1, 1), (5, 1), (5, 3)]:
    stack = [draw(next(keys), 4 if layer else 3, 4) for layer in range(layers)]
    x = jax.random.normal(next(keys), (2, steps, 3))
    h0, c0 = jax.random.normal(next(keys), (2, layers, 2, 4))

    def forward(x, h0, c0, stack=stack):
        for layer, weights in enumerate(stack):
            x = lstm(weights, {"x": x, "h0": h0[layer][None], "c0": c0[layer][None]})["y"]
        return x

    y, pull = jax.vjp(forward, x, h0, c0)
    dy = jax.grad(lambda y: (y**2).sum())(y)  # first the loss by y, then y by what it came from
    dx, dh0, dc0 = pull(dy)
    print(f"{steps} steps, {layers} layers: dx {dx.shape} dy {dy.shape} dh0 {dh0.shape} dc0 {dc0.shape}")
given = {"x": x, "h0": h0[:1], "c0": c0[:1]}
print(str(gradassay.check(lstm, config=LSTM(3, 4), **stack[0], **given)).splitlines()[-1])

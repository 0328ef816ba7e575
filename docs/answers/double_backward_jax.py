import jax
import jax.numpy as jnp
from jax.experimental import rnn

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm


def penalty(forward, w, x):
    return (jnp.linalg.norm(jax.grad(lambda x: forward(w, x).sum())(x).ravel()) - 1) ** 2


weights, x = draw(jax.random.key(0), 3, 4), jax.random.normal(jax.random.key(1), (2, 5, 3))
dw = jax.grad(lambda w: penalty(lambda w, x: lstm(w, {"x": x})["y"], w, x))(weights)
print(f"lax.scan: dw_hh, norm {jnp.linalg.norm(dw['weight_hh_l0']):.3f}")
said = gradassay.check(lstm, config=LSTM(3, 4), **weights, x=x, properties=["hvp"])
print(str(said).splitlines()[-1])


def cudnn(w, x):
    state, lengths = jnp.zeros((1, 2, 4)), jnp.full(2, 5)
    return rnn.lstm(x, state, state, w, lengths, 3, 4, 1, 0.0, False)[0]


try:  # shapes alone: nothing runs
    jax.eval_shape(jax.grad(lambda w: penalty(cudnn, w, x)), jnp.zeros(144))
except NotImplementedError as error:
    print("jax.experimental.rnn: NotImplementedError:", error)

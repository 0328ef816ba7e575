import jax
import numpy as np

import gradassay
from gradassay_lstm import LSTM
from jax_lstm import draw, lstm

weights = draw(jax.random.key(0), 3, 4)
x = jax.random.normal(jax.random.key(1), (2, 5, 3))


def y(x):
    return lstm(weights, {"x": x})["y"]


def last_by_part(part, row):  # of one sample
    return y(row.at[2:4].set(part)[None])[0, -1]


J = jax.jacrev(y)(x)
print("dy/dx", J.shape, "other samples exactly 0:", not J[0, ..., 1, :, :].any())
print("the same, a sample at a time", jax.vmap(jax.jacrev(lambda row: y(row[None])[0]))(x).shape)
print("d last / d part", jax.vmap(jax.jacrev(last_by_part))(x[:, 2:4], x).shape)
given = {"config": LSTM(3, 4), **weights, "x": x}
print(str(gradassay.check(lstm, **given, wrt=["x"], properties=["jacobian"])).splitlines()[-1])
block = gradassay.jacobian(lstm, of=("y", np.s_[:, -1]), wrt=("x", np.s_[:, 2:4]), **given)
print(str(block.certified).splitlines()[-1].strip())

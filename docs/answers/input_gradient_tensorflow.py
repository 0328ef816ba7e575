import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm, linear = keras.layers.LSTM(4), keras.layers.Dense(2)
x = tf.random.normal((2, 5, 3))  # batch, steps, features
labels = tf.constant([0, 1])

with tf.GradientTape() as tape:
    tape.watch(x)  # a tensor is no tf.Variable: unwatched, its gradient would be None
    last = lstm(x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, linear(last))
dx, dlast = tape.gradient(loss, [x, last])

print("dx", dx.shape, "its norm at each step", *(f"{n:.3f}" for n in tf.norm(dx, axis=(0, 2))))
print(str(gradassay.check(lstm, x=x, cotangents={"h_n": dlast[None]}, wrt=["x"])).splitlines()[-1])

import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(4, return_sequences=True)
x = tf.random.normal((2, 5, 3))
with tf.GradientTape() as tape:
    y = lstm(x)
    loss = tf.reduce_sum(tf.square(10 * y))
parameters = lstm.trainable_variables
gradients = tape.gradient(loss, parameters)

clipped, norm = tf.clip_by_global_norm(gradients, 1.0)  # new tensors: the old ones stay as they are
print(f"from {norm:.3f} to {tf.linalg.global_norm(clipped):.6f}")
print(f"those that were given: {tf.linalg.global_norm(gradients):.3f}")
print(str(gradassay.check(lstm, x=x, cotangents={"y": 200 * y})).splitlines()[-1])
optimizer = keras.optimizers.SGD(0.1, global_clipnorm=1.0)  # or it clips what it is given
optimizer.apply(gradients, parameters)

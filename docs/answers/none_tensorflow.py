import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(4, return_sequences=True)
x, other, plain = (tf.random.normal((2, 5, 3)) for _ in range(3))
tokens = tf.constant([[1, 2, 0]])
with tf.GradientTape(persistent=True) as tape:
    tape.watch([x, other, tokens])  # it warns of the integers
    y = tf.reduce_sum(lstm(x)[:, :2])  # steps 0 and 1 alone
    unwatched = tf.reduce_sum(lstm(plain))
    embedded = tf.reduce_sum(tf.gather(tf.eye(3), tokens))
    outside = tf.reduce_sum(tf.constant(lstm(x).numpy()))
print("x, later steps: zero:", not tf.math.count_nonzero(tape.gradient(y, x)[:, 2:]))
print("plain, not watched:", tape.gradient(unwatched, plain))
print("other, not used:", tape.gradient(y, other))
print("x, through NumPy:", tape.gradient(outside, x))
print("tokens, integers:", tape.gradient(embedded, tokens))
zero = tape.gradient(y, other, unconnected_gradients=tf.UnconnectedGradients.ZERO)
print("None made a zero, which hides the mistake:", not tf.math.count_nonzero(zero))
print(str(gradassay.check(lstm, x=x, properties=["contract"])).splitlines()[-1])

import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(4, return_sequences=True, return_state=True)
x = tf.random.normal((2, 6, 3))
for truncated in (False, True):
    with tf.GradientTape() as tape:
        tape.watch(x)
        state = [tf.zeros((2, 4)), tf.zeros((2, 4))]
        for chunk in (x[:, :3], x[:, 3:]):
            if truncated:
                state = [tf.stop_gradient(s) for s in state]  # the values go on, the gradient not
            before, (y, *state) = state, lstm(chunk, initial_state=state)
    dx = tape.gradient(y, x)  # of the sum of the last chunk's outputs
    print("stopped" if truncated else "whole", *(f"{n:.3f}" for n in tf.norm(dx, axis=(0, 2))))
h0, c0 = (s[None] for s in before)
given = {"x": chunk, "h0": h0, "c0": c0, "cotangents": {"y": tf.ones_like(y)}, "wrt": ["x"]}
print(str(gradassay.check(lstm, **given)).splitlines()[-1])

import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
for steps, layers in [(1, 1), (5, 1), (5, 3)]:
    stack = [keras.layers.LSTM(4, return_sequences=True) for _ in range(layers)]
    x = tf.random.normal((2, steps, 3))
    states = [(tf.random.normal((2, 4)), tf.random.normal((2, 4))) for _ in stack]
    with tf.GradientTape() as tape:
        tape.watch([x, states])
        y = x
        for layer, state in zip(stack, states, strict=True):
            into, y = y, layer(y, initial_state=state)
        loss = tf.reduce_sum(y**2)
    dx, dy, dstates = tape.gradient(loss, [x, y, states])  # the tape knows y: nothing to retain
    print(f"{steps} steps, {layers} layers: dx {dx.shape} dy {dy.shape}", end=" ")
    print(f"{len(dstates)} times dh0 {dstates[0][0].shape} and dc0 {dstates[0][1].shape}")
h0, c0 = (state[None] for state in states[-1])
print(str(gradassay.check(stack[-1], x=into, h0=h0, c0=c0)).splitlines()[-1])

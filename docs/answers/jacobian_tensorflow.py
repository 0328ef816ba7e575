import keras
import numpy as np
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(4, return_sequences=True)
x = tf.random.normal((2, 5, 3))
with tf.GradientTape(persistent=True) as tape:
    tape.watch(x)
    part = x[:, 2:4]  # what the layer is to be differentiated by must go into the layer
    y = lstm(tf.concat([x[:, :2], part, x[:, 4:]], axis=1))
    last = y[:, -1]  # recorded
J = tape.jacobian(y, x)
print("dy/dx", J.shape, "other samples exactly 0:", not tf.math.count_nonzero(J[0, ..., 1, :, :]))
print("the same, a sample at a time", tape.batch_jacobian(y, x).shape)
print("sliced when nothing records:", tape.jacobian(y[:, -1], x), tape.jacobian(y, x[:, 2:4]))
print("d last / d part", tape.jacobian(last, part).shape, tape.batch_jacobian(last, part).shape)
print("or out of the whole", J[:, -1, :, :, 2:4].shape)
print(str(gradassay.check(lstm, x=x, wrt=["x"], properties=["jacobian"])).splitlines()[-1])
block = gradassay.jacobian(lstm, of=("y", np.s_[:, -1]), wrt=("x", np.s_[:, 2:4]), x=x)
print(str(block.certified).splitlines()[-1].strip())

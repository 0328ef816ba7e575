import keras
import tensorflow as tf

keras.utils.set_random_seed(0)
lstm, cell = keras.layers.LSTM(4, return_sequences=True), keras.layers.LSTMCell(4)
linear = keras.layers.Dense(3)
v = tf.random.normal((2, 3))  # one vector a sample


def repeated(v):
    return linear(lstm(keras.ops.repeat(v[:, None], 5, axis=1)))  # (B, 5, 3)


def fed_back(v):
    x, state, ys = v, [tf.zeros((2, 4)), tf.zeros((2, 4))], []
    for _ in range(5):
        h, state = cell(x, state)
        x = linear(h)
        ys.append(x)
    return tf.stack(ys, 1)  # (B, 5, 3)


for f in (repeated, fed_back):
    with tf.GradientTape() as tape:
        tape.watch(v)
        y = f(v)
    J = tape.jacobian(y, v)
    norms = [f"{n:.3g}" for n in tf.norm(tf.reshape(tf.transpose(J, (1, 0, 2, 3, 4)), (5, -1)), axis=1)]
    print(f"{f.__name__}: dy/dv {J.shape}, norm by output step", *norms)

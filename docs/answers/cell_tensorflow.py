import tensorflow as tf

from gradassay_tensorflow import backend


@backend(spec="lstm")
def lstm(config, parameters, inputs):
    w, u = parameters["weight_ih_l0"], parameters["weight_hh_l0"]  # (4H, N) and (4H, H)
    b = parameters["bias_ih_l0"] + parameters["bias_hh_l0"]  # (4H,)
    h, c, y = inputs["h0"][0], inputs["c0"][0], []
    for x in tf.unstack(inputs["x"], axis=1):  # (B, N), a step
        gates = tf.matmul(x, w, transpose_b=True) + tf.matmul(h, u, transpose_b=True) + b
        i, f, g, o = tf.split(gates, 4, axis=-1)  # (B, 4H), then 4 times (B, H)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        y.append(h)
    return {"y": tf.stack(y, 1), "h_n": h[None], "c_n": c[None]}


if __name__ == "__main__":
    import keras

    keras.utils.set_random_seed(0)
    own, x, zero = keras.layers.LSTM(4), tf.random.normal((2, 5, 3)), tf.zeros((1, 2, 4))
    with tf.GradientTape(persistent=True) as tape:
        there = tf.reduce_sum(own(x))
        kernel, recurrent, bias = own.variables[:3]  # (N, 4H), (H, 4H), (4H,)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        values = (tf.transpose(kernel), tf.transpose(recurrent), bias, tf.zeros_like(bias))
        made = lstm(None, dict(zip(names, values, strict=True)), {"x": x, "h0": zero, "c0": zero})
        here = tf.reduce_sum(made["h_n"])
    found, own_gradient = (tape.gradient(total, kernel.value) for total in (here, there))
    print("dw", found.shape, "as of keras:", bool(tf.reduce_all(abs(found - own_gradient) < 1e-6)))

import keras
import tensorflow as tf

import certified
import gradassay
from gradassay_lstm import layouts

layers = {t: keras.layers.LSTM(4, return_sequences=True, dtype=t) for t in ("float32", "float64")}
print("step", *layers, sep="   ")
for power in (1, 2, 3, 4, 5, 6, 8, 10, 12):
    step, errors = 10.0**-power, []
    for dtype, lstm in layers.items():
        x, v, dx = (tf.constant(a, dtype) for a in (certified.x, certified.v, certified.truth))
        lstm.build(x.shape)
        own = {name: array.astype(dtype) for name, array in certified.weights.items()}
        lstm.set_weights(list(layouts["keras"].forward(own).values()))  # one bias, the sum of two
        moved = step * tf.reshape(tf.eye(15, dtype=dtype), (15, 5, 3))  # one element of x at a time
        up, down = (tf.reduce_sum(lstm(x + d) * v, (1, 2)) for d in (moved, -moved))
        errors.append(tf.norm(tf.reshape(up - down, x.shape) / (2 * step) - dx) / tf.norm(dx))
    print(f"10^-{power:<2}", *(f"{error:7.0e}" for error in errors), sep="   ")
given = {"x": certified.x, "cotangents": {"y": certified.v}, "wrt": ["x"]}
print("GradientTape:", str(gradassay.check(layers["float32"], **given)).splitlines()[-1])

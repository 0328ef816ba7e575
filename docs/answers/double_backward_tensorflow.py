import keras
import tensorflow as tf

import gradassay

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(4, return_sequences=True, use_cudnn=False)  # the remedy
x = tf.random.normal((2, 5, 3))
with tf.GradientTape() as outer:
    with tf.GradientTape() as inner:
        inner.watch(x)
        total = tf.reduce_sum(lstm(x))
    penalty = (tf.norm(inner.gradient(total, x)) - 1) ** 2
print(f"dw_hh, norm {tf.norm(outer.gradient(penalty, lstm.cell.recurrent_kernel)):.3f}")
print(str(gradassay.check(lstm, x=x, properties=["hvp"])).splitlines()[-1])

with tf.Graph().as_default():  # cuDNN's operation, put into a graph that nothing runs
    x, h, w = tf.zeros((5, 2, 3)), tf.zeros((1, 2, 4)), tf.zeros(144)
    lengths = tf.constant([5, 5])
    y = tf.raw_ops.CudnnRNNV3(input=x, input_h=h, input_c=h, params=w, sequence_lengths=lengths)
    (dx,) = tf.gradients(y.output, x)
    try:
        tf.gradients(dx, x)
    except LookupError as error:
        print("with cuDNN: LookupError:", str(error).partition(". ")[0])

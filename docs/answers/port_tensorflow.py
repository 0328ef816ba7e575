import keras
import numpy as np
import torch

import gradassay
from gradassay_lstm import layouts

torch.manual_seed(0)
source = torch.nn.LSTM(3, 4, batch_first=True)
canonical = {name: p.detach().numpy() for name, p in source.named_parameters()}
arrays = layouts["keras"].forward(canonical)  # transposed, and one bias: the sum of the two
print({name: array.shape for name, array in arrays.items()})

lstm = keras.layers.LSTM(4, return_sequences=True)
lstm.build((None, None, 3))
lstm.set_weights(list(arrays.values()))
x = torch.randn(2, 5, 3)
ours, theirs = lstm(x.numpy()).numpy(), source(x)[0].detach().numpy()
print("the same y:", np.allclose(ours, theirs, atol=1e-6))
for layer in (source, lstm):
    print(str(gradassay.check(layer, x=x.numpy())).splitlines()[-1])

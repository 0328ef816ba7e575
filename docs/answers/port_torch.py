import keras
import numpy as np
import torch

import gradassay
from gradassay_lstm import layouts

keras.utils.set_random_seed(0)
source = keras.layers.LSTM(4, return_sequences=True)
source.build((None, None, 3))
names = ("kernel_l0", "recurrent_l0", "bias_l0")
canonical = layouts["keras"].inverse(dict(zip(names, source.get_weights(), strict=True)))
print({name: array.shape for name, array in canonical.items()})

lstm = torch.nn.LSTM(3, 4, batch_first=True)
lstm.load_state_dict({name: torch.tensor(array) for name, array in canonical.items()})
x = torch.randn(2, 5, 3, generator=torch.manual_seed(0))
ours, theirs = lstm(x)[0].detach().numpy(), source(x.numpy()).numpy()
print("the same y:", np.allclose(ours, theirs, atol=1e-6))
for layer in (source, lstm):
    print(str(gradassay.check(layer, x=x.numpy())).splitlines()[-1])

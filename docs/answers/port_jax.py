import jax.numpy as jnp
import torch

import gradassay
from gradassay_lstm import LSTM, layouts
from jax_lstm import lstm

torch.manual_seed(0)
source = torch.nn.LSTM(3, 4, batch_first=True)
canonical = {name: p.detach().numpy() for name, p in source.named_parameters()}
for library in ("flax-optimized", "equinox", "haiku"):
    arrays = layouts[library].forward(canonical)
    print(library, {name: array.shape for name, array in arrays.items()})

x = torch.randn(2, 5, 3)
y = lstm(canonical, {"x": jnp.array(x)})["y"]  # the function keeps torch's names and shapes
print("the same y:", jnp.allclose(y, jnp.array(source(x)[0].detach()), atol=1e-6))
print(str(gradassay.check(lstm, config=LSTM(3, 4), **canonical, x=x)).splitlines()[-1])

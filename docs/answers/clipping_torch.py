import torch
from torch.nn.utils import clip_grad_norm_, get_total_norm

import gradassay

torch.manual_seed(0)
lstm = torch.nn.LSTM(3, 4, batch_first=True)
x = torch.randn(2, 5, 3)
y = lstm(x)[0]
loss = (10 * y).square().sum()
parameters = list(lstm.parameters())

print(f"clipped before backward: {clip_grad_norm_(parameters, 1.0):.3f}: no gradient is there yet")
loss.backward()
print(f"after backward: {get_total_norm([p.grad for p in parameters]):.3f}, as if not clipped")
print(f"clipped after backward: from {clip_grad_norm_(parameters, 1.0):.3f}", end=" ")
print(f"to {get_total_norm([p.grad for p in parameters]):.6f}")
print(str(gradassay.check(lstm, x=x, cotangents={"y": 200 * y})).splitlines()[-1])

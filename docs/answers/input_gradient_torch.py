import torch
from torch import nn

import gradassay

torch.manual_seed(0)
lstm, linear = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)
x = torch.randn(2, 5, 3, requires_grad=True)  # batch, steps, features
labels = torch.tensor([0, 1])

last = lstm(x)[0][:, -1]
loss = nn.functional.cross_entropy(linear(last), labels)
dx, dlast = torch.autograd.grad(loss, [x, last])

print("dx", tuple(dx.shape), "its norm at each step", *(f"{n:.3f}" for n in dx.norm(dim=(0, 2))))
print(str(gradassay.check(lstm, x=x, cotangents={"h_n": dlast[None]}, wrt=["x"])).splitlines()[-1])

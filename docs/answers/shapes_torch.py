import torch
from torch import nn

import gradassay

torch.manual_seed(0)
for steps, layers in [(1, 1), (5, 1), (5, 3)]:
    lstm = nn.LSTM(3, 4, layers, batch_first=True)
    x = torch.randn(2, steps, 3, requires_grad=True)
    h0, c0 = (torch.randn(layers, 2, 4, requires_grad=True) for _ in range(2))
    y, _ = lstm(x, (h0, c0))
    (y**2).sum().backward(retain_graph=True)
    before = y.grad  # y is computed, not a leaf: its gradient was used and thrown away
    y.retain_grad()
    (y**2).sum().backward()
    shapes = {"dx": x.grad, "dy": y.grad, "dh0": h0.grad, "dc0": c0.grad}
    print(f"{steps} steps, {layers} layers:", *(f"{n} {tuple(g.shape)}" for n, g in shapes.items()))
print("y.grad before:", before, "- and it is 2 y, what the loss gives:", torch.equal(y.grad, 2 * y))
print(str(gradassay.check(lstm, x=x, h0=h0, c0=c0)).splitlines()[-1])

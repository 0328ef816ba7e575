import torch

import gradassay

torch.manual_seed(0)
lstm = torch.nn.LSTM(3, 4, batch_first=True)
x, h0 = torch.randn(2, 5, 3, requires_grad=True), torch.zeros(1, 2, 4, requires_grad=True)
plain, other = torch.randn(2, 5, 3), torch.randn(3, requires_grad=True)
y, _ = lstm(x, (h0.detach(), torch.zeros(1, 2, 4)))
y[:, :2].sum().backward()  # steps 0 and 1 alone

print("x, later steps: zero:", not x.grad[:, 2:].any())
print("plain, never asked for:", plain.grad)
print("other, not used:", other.grad)
print("h0, detached:", h0.grad)
try:
    torch.randint(9, (2, 5)).requires_grad_()
except RuntimeError as error:
    print("integers:", error)
print(str(gradassay.check(lstm, x=x, h0=h0, c0=torch.zeros(1, 2, 4), properties=["contract"])).splitlines()[-1])

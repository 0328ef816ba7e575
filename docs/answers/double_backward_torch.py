import torch

import gradassay

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
lstm = torch.nn.LSTM(3, 4, batch_first=True, device=device)
x = torch.randn(2, 5, 3, device=device, requires_grad=True)


def penalty():
    (dx,) = torch.autograd.grad(lstm(x)[0].sum(), x, create_graph=True)
    return (dx.norm() - 1) ** 2


try:
    penalty().backward()
    print(f"on {device}: dw_hh, norm {lstm.weight_hh_l0.grad.norm():.3f}")
except RuntimeError as error:
    print(f"on {device}: {type(error).__name__}: {error}")
lstm.zero_grad()
with torch.backends.cudnn.flags(enabled=False):  # around the forward pass: it decides the kernel
    penalty().backward()
    print(f"without cuDNN: dw_hh, norm {lstm.weight_hh_l0.grad.norm():.3f}")
    print(str(gradassay.check(lstm, x=x, properties=["hvp"])).splitlines()[-1])

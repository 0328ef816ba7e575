import torch

import gradassay

torch.manual_seed(0)
lstm = torch.nn.LSTM(3, 4, batch_first=True)
x = torch.randn(2, 6, 3, requires_grad=True)
for truncated in (False, True):
    state = None
    for chunk in x.split(3, dim=1):
        if truncated and state is not None:
            state = tuple(s.detach() for s in state)  # the values go on, the graph ends here
        before, (y, state) = state, lstm(chunk, state)
    (dx,) = torch.autograd.grad(y.sum(), x)  # the loss sees the last chunk
    print("detached" if truncated else "whole", *(f"{n:.3f}" for n in dx.norm(dim=(0, 2))))
given = {"x": chunk, "h0": before[0], "c0": before[1], "cotangents": {"y": torch.ones_like(y)}}
print(str(gradassay.check(lstm, **given, wrt=["x"])).splitlines()[-1])

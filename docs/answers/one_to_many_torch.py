import torch
from torch import nn
from torch.autograd.functional import jacobian

torch.manual_seed(0)
lstm, cell, linear = nn.LSTM(3, 4, batch_first=True), nn.LSTMCell(3, 4), nn.Linear(4, 3)
v = torch.randn(2, 3)  # one vector a sample


def repeated(v):
    return linear(lstm(v[:, None].expand(-1, 5, -1))[0])  # (B, 5, 3)


def fed_back(v):
    x, state, ys = v, None, []
    for _ in range(5):
        state = cell(x, state)
        x = linear(state[0])
        ys.append(x)
    return torch.stack(ys, 1)  # (B, 5, 3)


for f in (repeated, fed_back):
    J = jacobian(f, v)
    norms = [f"{n:.3g}" for n in J.transpose(0, 1).flatten(1).norm(dim=1)]
    print(f"{f.__name__}: dy/dv {tuple(J.shape)}, norm by output step", *norms)

import numpy as np
import torch
from torch.autograd.functional import jacobian

import gradassay

torch.manual_seed(0)
lstm = torch.nn.LSTM(3, 4, batch_first=True)
x = torch.randn(2, 5, 3)
J = jacobian(lambda x: lstm(x)[0], x)
print("dy/dx", tuple(J.shape), "other samples exactly 0:", not J[0, ..., 1, :, :].any())
each = jacobian(lambda x: lstm(x)[0].sum(0), x).movedim(2, 0)  # rows of a batch do not meet
print("the same, a sample at a time", tuple(each.shape), torch.allclose(each[1], J[1, ..., 1, :, :]))


def last_by_part(part):
    return lstm(torch.cat([x[:, :2], part, x[:, 4:]], dim=1))[0][:, -1]


print("d last / d part", tuple(jacobian(last_by_part, x[:, 2:4]).shape))
print(str(gradassay.check(lstm, x=x, wrt=["x"], properties=["jacobian"])).splitlines()[-1])
block = gradassay.jacobian(lstm, of=("y", np.s_[:, -1]), wrt=("x", np.s_[:, 2:4]), x=x)
print(str(block.certified).splitlines()[-1].strip())

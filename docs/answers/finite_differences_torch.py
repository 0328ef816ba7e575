import torch

import certified
import gradassay

print("step", "float32", "float64", sep="   ")
for power in (1, 2, 3, 4, 5, 6, 8, 10, 12):
    step, errors = 10.0**-power, []
    for dtype in (torch.float32, torch.float64):
        lstm = torch.nn.LSTM(3, 4, batch_first=True, dtype=dtype)
        lstm.load_state_dict({name: torch.tensor(w) for name, w in certified.weights.items()})
        x, v, dx = (torch.tensor(a, dtype=dtype) for a in (certified.x, certified.v, certified.truth))
        moved = step * torch.eye(15, dtype=dtype).reshape(15, 5, 3)  # one element of x at a time
        up, down = ((lstm(x + d)[0] * v).sum((1, 2)) for d in (moved, -moved))
        errors.append(((up - down).reshape(x.shape) / (2 * step) - dx).norm() / dx.norm())
    print(f"10^-{power:<2}", *(f"{error:7.0e}" for error in errors), sep="   ")
lstm, given = lstm.float(), {"x": certified.x, "cotangents": {"y": certified.v}, "wrt": ["x"]}
print("autograd:", str(gradassay.check(lstm, **given)).splitlines()[-1])

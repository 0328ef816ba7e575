import torch

from gradassay_torch import backend


@backend(spec="lstm")
def lstm(config, parameters, inputs):
    w, u = parameters["weight_ih_l0"], parameters["weight_hh_l0"]  # (4H, N) and (4H, H)
    b = parameters["bias_ih_l0"] + parameters["bias_hh_l0"]  # (4H,)
    h, c, y = inputs["h0"][0], inputs["c0"][0], []
    for x in inputs["x"].unbind(1):  # (B, N), a step
        i, f, g, o = (x @ w.T + h @ u.T + b).chunk(4, dim=-1)  # (B, 4H), then 4 times (B, H)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        y.append(h)
    return {"y": torch.stack(y, 1), "h_n": h[None], "c_n": c[None]}


if __name__ == "__main__":
    torch.manual_seed(0)
    own, x, zero = torch.nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3), torch.zeros(1, 2, 4)
    inputs = {"x": x, "h0": zero, "c0": zero}
    w = own.weight_ih_l0
    (here,) = torch.autograd.grad(lstm(None, dict(own.named_parameters()), inputs)["y"].sum(), w)
    (there,) = torch.autograd.grad(own(x)[0].sum(), w)
    print("dw", tuple(here.shape), "as of nn.LSTM:", torch.allclose(here, there, rtol=1e-5))

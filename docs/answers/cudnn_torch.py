import torch

# cuDNN's operation, on shapes alone: nothing runs. torch has no shapes of its backward pass.
empty = torch.empty_like
library = torch.library.Library("aten", "IMPL")
library.impl(
    "_cudnn_rnn_backward",
    lambda x, w, stride, buffer, h, c, *rest: (empty(x), empty(h), empty(c), [*map(empty, w)]),
    "Meta",
)
weights = list(torch.nn.LSTM(3, 4, device="meta").parameters())
x, h = torch.empty(5, 2, 3, device="meta", requires_grad=True), torch.empty(1, 2, 4, device="meta")
buffer, lstm, H, P, layers = torch.empty(0, device="meta"), 2, 4, 0, 1
options = (lstm, H, P, layers, False, 0.0, True, False, [], None)
y, *_ = torch.ops.aten._cudnn_rnn(x, weights, 4, buffer, h, h, *options)
(dx,) = torch.autograd.grad(y.sum(), x, create_graph=True)
try:
    dx.sum().backward()
except NotImplementedError as error:
    print("NotImplementedError:", error)

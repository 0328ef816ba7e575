"""PyTorch under test: `torch` is `nn.LSTM`, `torch-cell` a cell and loop of tensor operations. Imports no torch."""

from gradassay_torch._backends import TorchBackend as TorchBackend
from gradassay_torch._backends import TorchCellBackend as TorchCellBackend
from gradassay_torch._backends import torch_backend as torch_backend
from gradassay_torch._backends import torch_cell_backend as torch_cell_backend
from gradassay_torch._decorator import backend as backend

"""The decorator `backend`: a function of torch tensors as a backend. Imports no torch."""

from __future__ import annotations

from gradassay._backend import Mode
from gradassay._decorated import Decorator, Framework
from gradassay_torch._backends import torch_cell_backend

MODES = (
    Mode("eager", {"executed": "as written"}),
    Mode("compile", {"compiled": "yes"}, compiled=True),  # captured by torch.compile, run by AOTAutograd
    Mode("inductor", {"compiled": "yes"}, compiled=True, sweep=True),
)

backend = Decorator(
    Framework(torch_cell_backend, MODES, "gradassay_torch._function"), devices=("cpu", "cuda"), modes=("eager",)
)

"""The decorator `backend`: a function of JAX arrays as a backend. Imports no jax."""

from __future__ import annotations

from gradassay._backend import Backend, Mode
from gradassay._decorated import Decorator, Framework

MODES = (
    Mode("jit", {"executed": "compiled"}, compiled=True),  # one executable for the whole
    Mode("eager", {"executed": "as written"}, compiled=True),  # every operation is compiled for every shape
)


def of(host: Backend) -> Decorator:
    """Return the decorator for functions that run where this backend does."""
    return Decorator(Framework(host, MODES, "gradassay_jax._function"), devices=("cpu", "cuda"), modes=("jit", "eager"))

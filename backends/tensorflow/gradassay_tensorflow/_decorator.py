"""The decorator `backend`: a function of TensorFlow tensors as a backend. Imports no TensorFlow."""

from __future__ import annotations

from gradassay._backend import Backend, Mode
from gradassay._decorated import Decorator, Framework

MODES = (
    Mode("eager", {"executed": "eager"}),
    Mode("graph", {"executed": "graph"}, compiled=True),
    Mode("xla", {"executed": "xla"}, compiled=True),
)


def of(host: Backend) -> Decorator:
    """Return the decorator for functions that run where this backend does."""
    framework = Framework(host, MODES, "gradassay_tensorflow._function")
    return Decorator(framework, devices=("cpu", "cuda"), modes=("eager", "graph"))

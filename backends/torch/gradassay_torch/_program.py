"""A spec beside `lstm` and `mse` on torch: what is offered, which is static, and how it is built. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradassay._backend import OPERATORS, Gap, Mode, Offer

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_torch._framework import Function, Named

Build = Callable[[Any, "Tensors", str], "tuple[Function, Named]"]

EAGER = (Mode("eager", {"compiled": "no"}),)
DTYPES = ("float64", "float32", "bfloat16", "float16")
CUDNN = Gap("cuDNN has neither forward mode nor a second derivative", operators=frozenset({"jvp", "hvp"}))


@dataclass(frozen=True)
class Program:
    """What a file of `programs/` holds, under any name.

    Attributes:
        offers: all of one spec.
        build: from the configuration, canonical parameters and a device to a function of canonical tensors by name, and
            the tensors that are its parameters, by canonical name. This imports torch; the file itself does not.
        forward_mode: whether all of it can be differentiated forward; where not, a JVP is a VJP of a VJP. oneDNN's
            LSTM, which torch takes for float32 and bfloat16 on the CPU, has no forward mode.
        others: what builds it in a mode that is another way to write it, by the mode's name.
        instead: by the name of an input of integers, what to ask for in the place of its derivative.
        zeros: whether the gradient of what the loss does not depend on is asked for as zeros, as with
            `torch.autograd.grad(materialize_grads=True)`.
    """

    offers: tuple[Offer, ...]
    build: Build
    forward_mode: bool = False
    others: Mapping[str, Build] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    zeros: bool = False

    @property
    def spec(self) -> str:
        return self.offers[0].spec


def offers(
    spec: str,
    *gaps: Gap,
    features: frozenset[str] = frozenset(),
    dtypes: tuple[str, ...] = DTYPES,
    operators: frozenset[str] = frozenset(OPERATORS),
    cudnn: bool = False,
) -> tuple[Offer, ...]:
    """Return what a program offers, eager, on the CPU and on CUDA.

    Args:
        spec: its name.
        gaps: what it cannot do, and why.
        features: of the spec, those that it has.
        dtypes: those that it computes in.
        operators: those that it has.
        cudnn: whether cuDNN runs a layer of it on CUDA.
    """
    return tuple(
        Offer(spec, features, EAGER, dtypes, (device,), operators, (*gaps, *own))
        for device, own in (("cpu", ()), ("cuda", (CUDNN,) if cudnn else ()))
    )

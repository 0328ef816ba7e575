"""A spec beside `lstm` and `mse`: what is offered, which is static, and how it is built. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradassay._backend import OPERATORS, Gap, Mode, Offer

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_tensorflow._convention import Convention
    from gradassay_tensorflow._derivatives import Differentiable

EAGER = Mode("eager", {"executed": "eager"})
GRAPH = Mode("graph", {"executed": "graph"}, compiled=True)
XLA = Mode("xla", {"executed": "xla"}, compiled=True, sweep=True)
DTYPES = ("float64", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Built:
    """A function of inputs by canonical names, how its variables hold canonical parameters, and what computes it.

    `convention` is `AsNamed` where the variables are canonical themselves.
    """

    function: Differentiable
    convention: Convention
    kernel: str


@dataclass(frozen=True)
class Program:
    """What a file of `programs/` holds, under any name.

    Attributes:
        offers: all of one spec.
        build: from the configuration, canonical parameters, the dtype and whether XLA will compile it. It is called
            within the device's scope, and imports TensorFlow; the file itself does not.
        instead: by the name of an input of integers, what to ask for in the place of its derivative.
        zeros: whether the gradient of what the loss does not depend on is asked for as zeros, as with
            `tf.UnconnectedGradients.ZERO`.
    """

    offers: tuple[Offer, ...]
    build: Callable[[Any, Tensors, str, bool], Built]
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
) -> tuple[Offer, ...]:
    """Return what a program offers: eager in every dtype, and traced in those in which most is trained."""
    traced = tuple(dtype for dtype in dtypes if dtype in ("float64", "float32"))
    devices = ("cpu", "cuda")
    return (
        Offer(spec, features, (EAGER,), dtypes, devices, operators, gaps),
        Offer(spec, features, (GRAPH, XLA), traced, devices, operators, gaps),
    )

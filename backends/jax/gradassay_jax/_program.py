"""A spec beside `lstm` and `mse` on JAX: what is offered, which is static, and what computes it. Imports no jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradassay._backend import OPERATORS, Gap, Mode, Offer

if TYPE_CHECKING:
    import jax

    from gradassay_jax._execution import Tally
    from gradassay_jax._framework import Arrays

MODES = (
    Mode("jit", {"executed": "compiled"}, compiled=True),
    # Every operation is compiled for every shape, and every step is run in Python.
    Mode("eager", {"executed": "eager"}, compiled=True, sweep=True),
)
DTYPES = ("float64", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Program:
    """What a file of `programs/` holds, under any name.

    Attributes:
        offers: all of one spec.
        apply: from the configuration, canonical tensors by name (parameters and inputs) and the tally to outputs by
            name. Each body of a loop that it writes adds one to `tally.steps`. It imports jax; the file does not.
        steps: how many such bodies one run takes, if no loop is compiled.
        instead: by the name of an input of integers, what to ask for in the place of its derivative.
    """

    offers: tuple[Offer, ...]
    apply: Callable[[Any, Arrays, Tally], dict[str, jax.Array]]
    steps: Callable[[Any, Arrays], int] = lambda config, values: 0
    instead: Mapping[str, str] = field(default_factory=dict)

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
    """Return what a program offers: its `features`, compiled as a whole or op by op, on the CPU and on CUDA."""
    return (Offer(spec, features, MODES, dtypes, ("cpu", "cuda"), operators, gaps),)

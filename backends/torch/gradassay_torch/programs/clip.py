"""Gradient clipping: `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`, and the same from differentiable parts.

torch's own functions work in place, under `no_grad`, on the `.grad` of parameters: there is no derivative of them, and
`get_total_norm` has none either. Whoever differentiates through clipping writes it from `torch.linalg.vector_norm`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap, Mode
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    import torch

    from gradassay._spec import Tensors
    from gradassay_torch._framework import Function, Named

WAYS = frozenset({"global_norm", "norm_of_each", "value", "absent", "zero_norm", "zero_each", "far_norm"})
EPSILON = 1e-6  # in the code of `clip_grads_with_norm_`; nobody can set it
PROMISES = frozenset({"bits below the limit"})
NO_SECOND = Gap(
    "torch gives None, not zeros, as the second derivative of clamp: its gradient is constant",
    operators=frozenset({"hvp"}),
    features=frozenset({"value"}),
)
DIFFERENTIABLE = Mode("differentiable", {"compiled": "no"})


def in_place(config: Any, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return torch's own functions, called as after a backward pass: on parameters that have a `.grad`, or None."""
    import torch

    def clip(tensors: Named) -> dict[str, torch.Tensor]:
        names = [f"g{number}" for number in range(len(config.shapes))]
        held = [torch.nn.Parameter(torch.empty_like(tensors[n])) if n in tensors else None for n in names]
        example = next(iter(tensors.values()))
        leaves = [torch.nn.Parameter(torch.empty_like(example)) if one is None else one for one in held]
        for name, leaf in zip(names, leaves, strict=True):
            # A copy: what is clipped in place is the training loop's own, and not what was handed over.
            leaf.grad = tensors[name].clone() if name in tensors else None
        norm = None
        if config.by == "value":
            torch.nn.utils.clip_grad_value_(leaves, config.limit)
        elif config.by == "each":
            for leaf in leaves:
                torch.nn.utils.clip_grad_norm_([leaf], config.limit)
        else:
            norm = torch.nn.utils.clip_grad_norm_(leaves, config.limit)
        found = {f"clipped_{n}": leaf.grad for n, leaf in zip(names, leaves, strict=True) if leaf.grad is not None}
        return {**found, **({} if norm is None else {"norm": norm})}

    return clip, {}


def differentiable(config: Any, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the same from `torch.linalg.vector_norm` and `torch.clamp`, with any epsilon."""
    import torch

    def factor(norm: torch.Tensor) -> torch.Tensor:
        # Not clamp(limit / norm, max=1): at a norm of zero its derivative is 0 times infinity. And the constants are
        # tensors: under `torch.func.jvp` a number and a tensor without axes have a tangent in float64.
        limit, epsilon = (torch.full_like(norm, value) for value in (config.limit, config.epsilon))
        return limit / torch.maximum(norm + epsilon, limit)

    def clip(tensors: Named) -> dict[str, torch.Tensor]:
        given = {f"clipped_{name}": tensor for name, tensor in tensors.items()}
        if config.by == "value":
            return {name: torch.clamp(g, -config.limit, config.limit) for name, g in given.items()}
        norms = {name: torch.linalg.vector_norm(g) for name, g in given.items()}
        if config.by == "each":
            return {name: g * factor(norms[name]) for name, g in given.items()}
        norm = torch.linalg.vector_norm(torch.stack(list(norms.values())))
        return {**{name: g * factor(norm) for name, g in given.items()}, "norm": norm}

    return clip, {}


OWN = offers(
    "clip",
    features=WAYS | {"epsilon_1e-6"},
    operators=frozenset({"forward"}),
)
FROM_PARTS = offers(
    "clip",
    NO_SECOND,
    features=WAYS | {"epsilon_1e-6", "no_epsilon", "another_epsilon"},
)
clip = Program(
    tuple(replace(offer, promises=PROMISES) for offer in OWN)
    + tuple(replace(offer, promises=PROMISES, modes=(DIFFERENTIABLE,)) for offer in FROM_PARTS),
    in_place,
    forward_mode=True,
    others={DIFFERENTIABLE.name: differentiable},
    zeros=True,  # a tensor that is clipped alone has no part in the others
)

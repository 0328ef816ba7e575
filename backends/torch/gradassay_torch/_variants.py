"""Eager execution with a switch turned: gradients that add up in `.grad`, and steps that are computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from gradassay_torch import _cell
from gradassay_torch._framework import Function, Named, floating, leaves
from gradassay_torch._kernel import Kernel


class Accumulating(Kernel):
    """Gradients as users take them: two `.backward()` over one graph, which add up in the `.grad` of the leaves.

    The loss is the sum of two: one sees every other element of each output, one the elements between.
    """

    def __init__(self, function: Function) -> None:
        super().__init__(function, "")
        self._calls = 0
        self._recorded = False

    def forward(self, tensors: Named) -> dict[str, torch.Tensor]:
        with leaves(tensors, floating(tensors)):
            outputs = self.function(tensors)
        self._recorded = all(output.requires_grad for output in outputs.values())
        return outputs

    def vjp(
        self, tensors: Named, cotangents: Named, wrt: Sequence[str]
    ) -> tuple[Named, dict[str, torch.Tensor | None]]:
        added: Counter[str] = Counter()
        with leaves(tensors, wrt):
            outputs = self.function(tensors)
            live = [name for name in cotangents if outputs[name].requires_grad]
            hooks = [_on_accumulation(tensors[name], partial(added.update, [name])) for name in wrt]
            try:
                for part in _parts({name: cotangents[name] for name in live}) if live else ():
                    torch.autograd.backward([outputs[name] for name in live], list(part.values()), retain_graph=True)
                    self._calls += 1
                found = {name: tensors[name].grad for name in wrt}
            finally:
                for hook, name in zip(hooks, wrt, strict=True):
                    hook.remove()
                    tensors[name].grad = None
        reached = {name for name, gradient in found.items() if gradient is not None}
        self._recorded = bool(reached) and all(added[name] == self._calls == 2 for name in reached)
        return outputs, found

    @contextmanager
    def observed(self, ran: dict[str, str], twice: bool) -> Iterator[None]:
        self._calls, self._recorded = 0, False
        with super().observed(ran, twice):
            yield
        ran["backward_calls"] = str(self._calls)
        ran["accumulated_in"] = ".grad" if self._recorded else "nothing"


def _on_accumulation(leaf: torch.Tensor, call: Callable[[], None]) -> Any:
    """Call this whenever something was added to the `.grad` of a leaf; return the hook."""
    hook: Any = leaf.register_post_accumulate_grad_hook  # untyped in torch
    return hook(lambda leaf: call())


def _parts(cotangents: Named) -> tuple[Named, Named]:
    """Return two cotangents whose sum is exactly this one; a single element is halved."""
    first = {
        name: value / 2 if value.numel() == 1 else value * _every_other(value) for name, value in cotangents.items()
    }
    return first, {name: value - first[name] for name, value in cotangents.items()}


def _every_other(like: torch.Tensor) -> torch.Tensor:
    return (torch.arange(like.numel(), device=like.device) % 2).to(like.dtype).reshape(like.shape)


class Checkpoints(Kernel):
    """Eager, each step under `torch.utils.checkpoint`: its values are dropped, and computed again for the backward."""

    def __init__(self) -> None:
        self._steps = self._bodies = 0
        self._live = self._forward_alone = False

    def of(self, function: Function) -> Checkpoints:
        """Run this function, which takes its steps by `step`."""
        super().__init__(function, "")
        return self

    def step(
        self, tensors: Named, suffix: str, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        def body(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self._bodies += 1
            return _cell.cell(tensors, suffix, x, h, c)

        self._steps += 1
        h, c = checkpoint(body, x, h, c, use_reentrant=False)
        self._live |= c.requires_grad
        return h, c

    def forward(self, tensors: Named) -> dict[str, torch.Tensor]:
        self._forward_alone = True
        with leaves(tensors, floating(tensors)):
            return self.function(tensors)

    @contextmanager
    def observed(self, ran: dict[str, str], twice: bool) -> Iterator[None]:
        self._steps = self._bodies = 0
        self._live = self._forward_alone = False
        with super().observed(ran, twice):
            yield
        again = self._bodies - self._steps
        ran["steps"], ran["steps_again"] = str(self._steps), str(again)
        # Without a graph there is nothing to drop, and a forward pass alone asks for nothing back.
        due = self._live and not self._forward_alone
        ran["checkpointed"] = "yes" if self._steps and (again or not due) else "no"

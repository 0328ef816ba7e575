"""A live layer as it is set: which kernel it takes is read off the graph that autograd records, which costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from gradassay_torch._framework import Function, Named
from gradassay_torch._kernel import Kernel

# What one step, or one whole layer, leaves in the graph, by what computed it; a number follows each name.
NODES = {
    "MkldnnRnnLayerBackward": "onednn",
    "CudnnRnnBackward": "cudnn",
    "MiopenRnnBackward": "miopen",
    "SigmoidBackward": "native",
    "ThnnFusedLstmCellBackward": "fused-cell",
    "CompiledFunctionBackward": "compiled",
}


class Live(Kernel):
    """Runs a function as things are set, and says by which kernel; a call that records no graph does not say.

    `Kernel` counts every operation on its way to a kernel, which takes longer than the operations of a small layer do.
    """

    def __init__(self, function: Function) -> None:
        self._seen = ""

        def looked_at(tensors: Named) -> dict[str, torch.Tensor]:
            outputs = function(tensors)
            self._seen = kernel_of(outputs) or self._seen
            return outputs

        super().__init__(looked_at, "")

    @contextmanager
    def observed(self, ran: dict[str, str], twice: bool) -> Iterator[None]:
        self._seen = ""
        yield
        if self._seen:
            ran["kernel"] = self._seen


def kernel_of(outputs: Mapping[str, torch.Tensor]) -> str:
    """Return which kernel made some outputs, by the first node of their graph that tells; empty where none does."""
    left: list[Any] = [output.grad_fn for output in outputs.values() if output.grad_fn is not None]
    known = set(left)
    while left:
        node = left.pop()
        if kernel := NODES.get(node.name().rstrip("0123456789")):
            return kernel
        further = {before for before, _ in node.next_functions if before is not None} - known
        known |= further
        left += further
    return ""

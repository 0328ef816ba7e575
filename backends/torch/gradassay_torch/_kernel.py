"""Which kernels run: how a mode chooses them, and how a call shows which it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gradassay_torch._framework import Function, Named, pushforward, vjp

# A whole layer in one operation, by the library that runs it.
FUSED = {"aten::mkldnn_rnn_layer": "onednn", "aten::_cudnn_rnn": "cudnn", "aten::miopen_rnn": "miopen"}
# What torch's own loop over steps cannot do without: on the CPU, and on CUDA.
STEPWISE = {"aten::sigmoid": "native", "aten::sigmoid_": "native", "aten::_thnn_fused_lstm_cell": "fused-cell"}


class Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Counts the operations that reach a kernel; it sits below autograd and changes none of them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.count[func._schema.name] += 1
        return func(*args, **(kwargs or {}))


class Execution(Protocol):
    """A way to run a function, with evidence: `function` and its `pushforward` are what to call, within `observed`.

    `forward` gives outputs alone, `vjp` (outputs, J' v) with `wrt` among what requires a gradient.
    `observed(ran, twice)` sets the mode, and at the end writes its evidence into `ran`; `twice` says
    that a derivative is differentiated again.
    """

    function: Function
    pushforward: Callable[[Named, Named], tuple[Named, Named]]
    compiled: bool

    def forward(self, tensors: Named) -> dict[str, torch.Tensor]: ...

    def vjp(
        self, tensors: Named, cotangents: Named, wrt: Sequence[str]
    ) -> tuple[Named, dict[str, torch.Tensor | None]]: ...

    def observed(self, ran: dict[str, str], twice: bool) -> AbstractContextManager[None]: ...


class Kernel:
    """Runs a function eagerly: with the named library ("onednn", "cudnn"), with none, or ("") as things are set.

    `facts` are asked for after each call, and are evidence too.
    """

    compiled = False

    def __init__(self, function: Function, choice: str, facts: Callable[[], Mapping[str, str]] = dict) -> None:
        self.function = function
        self.pushforward = pushforward(function)
        self._choice = choice
        self._facts = facts

    def forward(self, tensors: Named) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return self.function(tensors)

    def vjp(
        self, tensors: Named, cotangents: Named, wrt: Sequence[str]
    ) -> tuple[Named, dict[str, torch.Tensor | None]]:
        return vjp(self.function, tensors, cotangents, wrt, wrt)

    @contextmanager
    def observed(self, ran: dict[str, str], twice: bool) -> Iterator[None]:
        mkldnn: Any = torch.backends.mkldnn
        cudnn: Any = torch.backends.cudnn
        before = mkldnn.enabled, cudnn.enabled, cudnn.allow_tf32
        try:
            if self._choice:
                # Not `mkldnn.flags`: it also sets TF32, which warns on every machine without an Intel GPU.
                mkldnn.enabled = self._choice == "onednn"
                cudnn.enabled = self._choice == "cudnn"
                cudnn.allow_tf32 = False  # on by default, for cuDNN alone: float32 would not be float32
            with Dispatched() as dispatched:
                yield
        finally:
            mkldnn.enabled, cudnn.enabled, cudnn.allow_tf32 = before
        count = dispatched.count
        kernels, stepwise = (
            {name: sum(count[o] for o in table if table[o] == name) for name in dict.fromkeys(table.values())}
            for table in (FUSED, STEPWISE)
        )
        if twice and any(kernels.values()) and any(stepwise.values()):
            # No library differentiates its own backward: torch has a second form of it, from tensor operations.
            ran["second_derivative"] = "+".join(name for name, calls in stepwise.items() if calls)
        else:
            kernels |= stepwise
        ran["kernel"] = "+".join(name for name, calls in kernels.items() if calls) or "none"
        ran["kernel_calls"] = "+".join(str(calls) for calls in kernels.values() if calls) or "0"
        # A compiled graph runs no operation that a dispatch mode could count.
        ran["compiled"] = "no" if count.total() else "unknown"
        ran |= self._facts()


def arithmetic(dtype: torch.dtype, device: str) -> dict[str, str]:
    """Measure what decides rounding: subnormals kept or flushed, operands of products kept or rounded; threads."""
    limits = torch.finfo(dtype)
    half = torch.full((8,), limits.smallest_normal, dtype=dtype, device=device) * 0.5
    identity = torch.eye(64, dtype=dtype, device=device)
    product = (identity * (1 + limits.eps)) @ identity
    return {
        "subnormals": "kept" if bool((half != 0).all()) else "flushed",
        "operands": "kept" if bool((product.diagonal() == 1 + limits.eps).all()) else "rounded",
        "threads": str(torch.get_num_threads()),
    } | ({} if device == "cpu" else {"gpu": torch.cuda.get_device_name(device)})

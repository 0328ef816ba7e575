"""`torch.compile`, counted: graphs captured, graph breaks, and runs of the compiled graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import torch
import torch._dynamo
import torch._functorch.config
from torch._dynamo.backends.registry import lookup_backend
from torch._dynamo.utils import counters

from gradassay_torch._framework import Function, Named, floating, leaves, pushforward, vjp

P = ParamSpec("P")
R = TypeVar("R")


class Compiled:
    """Compiles a function with one of torch's backends ("aot_eager", "inductor"), one whole graph per shape."""

    compiled = True

    def __init__(self, function: Function, backend: str) -> None:
        self._backend = backend
        self._graphs = 0
        self._runs = 0
        # One graph or an error: by default, what cannot be captured runs eagerly without a word.
        self.function = self._compile(function)
        # Forward mode is compiled as a function of its own. Dual numbers given to `self.function` would
        # lose their tangents without a word under inductor.
        self.pushforward = self._compile(pushforward(function))

    def _compile(self, function: Callable[P, R]) -> Callable[P, R]:
        return torch.compile(function, backend=self._counting, fullgraph=True, dynamic=False)

    def _counting(self, graph: torch.fx.GraphModule, examples: list[torch.Tensor]) -> Any:
        self._graphs += 1
        compiled = lookup_backend(self._backend)(graph, examples)

        def run(*args: Any) -> Any:
            self._runs += 1
            return compiled(*args)

        return run

    def forward(self, tensors: Named) -> dict[str, torch.Tensor]:
        with leaves(tensors, floating(tensors)):  # the graph that VJPs use: another one takes seconds
            return self.function(tensors)

    def vjp(
        self, tensors: Named, cotangents: Named, wrt: Sequence[str]
    ) -> tuple[Named, dict[str, torch.Tensor | None]]:
        # What requires a gradient decides the graph: always everything, so that there is one.
        return vjp(self.function, tensors, cotangents, wrt, floating(tensors))

    @contextmanager
    def observed(self, ran: dict[str, str], twice: bool) -> Iterator[None]:
        runs, breaks = self._runs, sum(counters["graph_break"].values())
        # Each model and shape is one more variant of the same code, which torch takes for a mistake after eight;
        # donated buffers would forbid a second VJP of one forward, which a Jacobian by rows is made of.
        limits = torch._dynamo.config.patch(recompile_limit=10_000, accumulated_recompile_limit=100_000)
        with limits, torch._functorch.config.patch(donated_buffer=False):
            yield
        runs, breaks = self._runs - runs, sum(counters["graph_break"].values()) - breaks
        ran["backend"] = self._backend
        ran["graphs"] = str(self._graphs)
        ran["graph_runs"] = str(runs)
        ran["graph_breaks"] = str(breaks)
        ran["compiled"] = "yes" if self._graphs and runs and not breaks else "no"

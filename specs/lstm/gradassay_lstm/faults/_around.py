"""Misbehaviour around right equations, to be put together in one line: what happens before a call, and after it.

A `Request` is one call as the fault sees it: it may change what goes in and what comes out, and it knows what
happened before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradassay import Model, Tensors
from gradassay._limits import PRECISIONS
from gradassay_lstm.faults._at_marks import Edits

Arrays = dict[str, Any]
Wrap = Callable[[str, Model], Any]
EVERY = "forward vjp jvp jacobian hvp"


@dataclass
class Request:
    """One call of a model: what goes in, and once it was made what came out.

    `number` counts calls of this operator from 1; `memory` stays as long as the model does.
    """

    operator: str
    model: Any
    roundoff: float
    number: int
    memory: dict[Any, Any]
    inputs: Arrays
    cotangents: Arrays = field(default_factory=dict)
    tangents: Arrays = field(default_factory=dict)
    wrt: tuple[str, ...] = ()
    of: str = ""
    by: str = ""
    outputs: Arrays = field(default_factory=dict)
    gradients: Arrays = field(default_factory=dict)  # of a VJP or an HVP
    pushed: Arrays = field(default_factory=dict)
    jacobian: Any = None

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def rows(self) -> int:
        return int(self.inputs["x"].shape[0])

    @property
    def steps(self) -> int:
        return int(self.inputs["x"].shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inputs["x"].shape)

    @property
    def lengths(self) -> Any:
        """Each row's length (B,)."""
        return self.inputs.get("lengths", np.full(self.rows, self.steps))

    @property
    def padding(self) -> Any:
        """What lies beyond the lengths: (B, T)."""
        return np.arange(self.steps)[None] >= self.lengths[:, None]

    def short(self) -> Any:
        """Rows that are shorter than the longest: (B,)."""
        return self.lengths < self.steps

    def make(self, model: Any = None) -> None:
        """Make the call: of the model itself, or of another one."""
        model = model or self.model
        match self.operator:
            case "forward":
                self.outputs = dict(model.forward(self.inputs))
            case "vjp":
                outputs, gradients = model.vjp(self.inputs, self.cotangents, self.wrt)
                self.outputs, self.gradients = dict(outputs), dict(gradients)
            case "jvp":
                outputs, pushed = model.jvp(self.inputs, self.tangents)
                self.outputs, self.pushed = dict(outputs), dict(pushed)
            case "jacobian":
                self.jacobian = model.jacobian(self.inputs, self.of, self.by)
            case "hvp":
                self.gradients = dict(model.hvp(self.inputs, self.cotangents, self.tangents, self.wrt))


Change = Callable[[Request], Any]


class Around:
    """A model that does something before or after, or instead of, the calls of some operators."""

    def __init__(self, dtype: str, model: Any, of: str, call: Change, ran: Mapping[str, str]) -> None:
        self.model, self._of, self._call, self._ran = model, of.split(), call, ran
        self._roundoff = PRECISIONS[dtype].roundoff
        self._count: dict[str, int] = {}
        self._memory: dict[Any, Any] = {}

    @property
    def ran(self) -> Mapping[str, str]:
        return {**self.model.ran, **self._ran}

    def parameters(self) -> Tensors:
        return self.model.parameters()  # type: ignore[no-any-return]  # the wrapped model's own

    def _ask(self, operator: str, inputs: Tensors, **further: Any) -> Request:
        self._count[operator] = self._count.get(operator, 0) + 1
        groups: dict[str, Any] = {n: dict(v) if isinstance(v, Mapping) else v for n, v in further.items()}
        number = self._count[operator]
        request = Request(operator, self.model, self._roundoff, number, self._memory, dict(inputs), **groups)
        if operator in self._of:
            self._call(request)
        else:
            request.make()
        return request

    def forward(self, inputs: Tensors) -> Tensors:
        return self._ask("forward", inputs).outputs

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Arrays]:
        request = self._ask("vjp", inputs, cotangents=cotangents, wrt=tuple(wrt))
        return request.outputs, request.gradients

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Arrays]:
        request = self._ask("jvp", inputs, tangents=tangents)
        return request.outputs, request.pushed

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Any:
        return self._ask("jacobian", inputs, of=of, by=wrt).jacobian

    def hvp(self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]) -> Arrays:
        return self._ask("hvp", inputs, cotangents=cotangents, tangents=tangents, wrt=tuple(wrt)).gradients


def instead(call: Change, of: str = EVERY) -> Wrap:
    """Do something instead of the calls of some operators: it makes the call itself, or does not."""
    return lambda dtype, model: Around(dtype, model, of, call, {})


def before(change: Change, of: str = EVERY) -> Wrap:
    """Do something to what goes in."""

    def call(request: Request) -> None:
        change(request)
        request.make()

    return instead(call, of)


def after(change: Change, of: str = "vjp") -> Wrap:
    """Do something to what comes out."""

    def call(request: Request) -> None:
        request.make()
        change(request)

    return instead(call, of)


def says(**ran: str) -> Wrap:
    """Say something else of how it ran."""
    return lambda dtype, model: Around(dtype, model, "", Request.make, ran)


def raises(when: Callable[[Request], Any], of: str = EVERY, error: type[Exception] = RuntimeError) -> Wrap:
    """Raise where a request is of some kind."""

    def check(request: Request) -> None:
        if when(request):
            raise error(f"{request.operator} failed")

    return before(check, of)


def planted(edits: Edits, when: Callable[[Request], Any], of: str = EVERY) -> Wrap:
    """Make faulty equations of it where a request is of some kind."""

    def call(request: Request) -> None:
        request.make(request.model.planted(edits(request.roundoff)) if when(request) else None)

    return instead(call, of)


def _each(kind: str, change: Callable[..., Any], names: str, when: Callable[[Request], Any], of: str) -> Wrap:
    def changed(request: Request) -> None:
        found = getattr(request, kind)
        if when(request):
            for name in [name for name in found if name.startswith(tuple(names.split()) or "")]:
                array = change(found[name], request)
                found[name] = array if array is None else np.asarray(array).astype(found[name].dtype)

    return after(changed, of)


def always(request: Request) -> bool:
    return True


def gradients(change: Callable[..., Any], names: str = "", when: Callable[[Request], Any] = always) -> Wrap:
    """Change the gradients whose names begin so; the dtype stays."""
    return _each("gradients", change, names, when, "vjp")


def seconds(change: Callable[..., Any], names: str = "", when: Callable[[Request], Any] = always) -> Wrap:
    """Change the second derivatives whose names begin so."""
    return _each("gradients", change, names, when, "hvp")


def pushed(change: Callable[..., Any], names: str = "", when: Callable[[Request], Any] = always) -> Wrap:
    """Change the tangents of the outputs whose names begin so."""
    return _each("pushed", change, names, when, "jvp")


def outputs(change: Callable[..., Any], names: str = "", when: Callable[[Request], Any] = always) -> Wrap:
    """Change the outputs whose names begin so, with whatever they come."""
    return _each("outputs", change, names, when, "forward vjp jvp")

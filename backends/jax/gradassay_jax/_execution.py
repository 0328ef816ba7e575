"""How a function is run: eagerly, compiled ahead of time, or as it is written; each with evidence that it was.

The evidence is counted in Python: a compiled call runs no Python of the model; an eager one runs the body of
the function, and the body of every step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import jax

from gradassay_jax._framework import Arrays
from gradassay_jax._operators import Operator

Results = dict[str, dict[str, jax.Array]]


@dataclass
class Tally:
    """How often Python ran the body of the model, and the body of its steps."""

    bodies: int = 0
    steps: int = 0

    def since(self, bodies: int, steps: int) -> tuple[int, int]:
        return self.bodies - bodies, self.steps - steps


@dataclass(frozen=True)
class Program:
    """A model for JAX: `apply(values, tally)` counts itself in; `steps(values)` are the step bodies of one run."""

    apply: Callable[[Arrays, Tally], dict[str, jax.Array]]
    steps: Callable[[Arrays], int] = lambda values: 0
    tally: Tally = field(default_factory=Tally)

    def __call__(self, values: Arrays) -> dict[str, jax.Array]:
        self.tally.bodies += 1
        return self.apply(values, self.tally)


class Execution(Protocol):
    """Run an operator built on `program`; `key` tells apart what is asked of it."""

    as_written: bool  # neither compiled as a whole nor op by op: as its author calls it

    def run(self, operator: Operator, key: tuple[object, ...], *arguments: Arrays) -> tuple[Results, dict[str, str]]:
        """Return (results, evidence)."""
        ...


class Eager:
    """Without compilation of the whole. `disable_jit`: op by op, with every `lax.scan` a loop in Python.

    Otherwise as the function is written: op by op, with its own `jax.jit` and `lax.scan` compiled inside.
    """

    def __init__(self, program: Program, *, disable_jit: bool) -> None:
        self._program, self._disable_jit = program, disable_jit
        self.as_written = not disable_jit

    def run(self, operator: Operator, key: tuple[object, ...], *arguments: Arrays) -> tuple[Results, dict[str, str]]:
        tally = self._program.tally
        before = tally.bodies, tally.steps
        context: AbstractContextManager[None] = jax.disable_jit() if self._disable_jit else nullcontext()
        with context:
            results: Results = jax.block_until_ready(operator(*arguments))  # type: ignore[no-untyped-call]  # untyped in jax
        bodies, steps = tally.since(*before)
        looped = bodies > 0 and steps >= self._program.steps(arguments[0])
        executed = "as written" if not self._disable_jit else "eager" if looped else "not op by op"
        return results, {"executed": executed, "python_bodies": str(bodies), "python_steps": str(steps)}


# Of a program on its way down: its jaxpr, what was lowered, and the optimised HLO as text.
Facts = Callable[[object, jax.stages.Lowered, str], dict[str, str]]


class Compiled:
    """One executable a key and shapes, made ahead of time and kept; `facts` are read off it, and are evidence too."""

    as_written = False

    def __init__(self, program: Program, facts: Facts = lambda jaxpr, lowered, hlo: {}) -> None:
        self._program, self._facts = program, facts
        self._executables: dict[tuple[object, ...], tuple[jax.stages.Compiled, dict[str, str]]] = {}

    def run(self, operator: Operator, key: tuple[object, ...], *arguments: Arrays) -> tuple[Results, dict[str, str]]:
        key = (key, tuple(_signature(tensors) for tensors in arguments))
        compiled_now = key not in self._executables
        if compiled_now:
            self._executables[key] = self._compile(operator, *arguments)
        executable, facts = self._executables[key]
        tally = self._program.tally
        before = tally.bodies, tally.steps
        results: Results = jax.block_until_ready(executable(*arguments))  # type: ignore[no-untyped-call]  # untyped in jax
        bodies, steps = tally.since(*before)
        return results, {
            "executed": "compiled" if bodies == steps == 0 and facts["hlo_instructions"] != "0" else "in Python",
            "python_bodies": str(bodies),
            "python_steps": str(steps),
            "compiled_now": str(compiled_now).lower(),
            **facts,
        }

    def _compile(self, operator: Operator, *arguments: Arrays) -> tuple[jax.stages.Compiled, dict[str, str]]:
        traced = jax.jit(operator).trace(*arguments)
        lowered = traced.lower()
        executable = lowered.compile()
        hlo = executable.as_text() or ""
        return executable, {"hlo_instructions": str(_instructions(hlo)), **self._facts(traced.jaxpr, lowered, hlo)}


def _signature(tensors: Arrays) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, value.shape, str(value.dtype)) for name, value in sorted(tensors.items()))


def _instructions(hlo: str) -> int:
    return len(re.findall(r"^\s+(?:ROOT )?%?[\w.-]+ = ", hlo, flags=re.MULTILINE))


def _loops(jaxpr: object, lowered: jax.stages.Lowered, hlo: str) -> dict[str, str]:
    """Count the loops that are left."""
    return {"loops": str(len(re.findall(r" while\(", hlo)))}


def _checkpointed(jaxpr: object, lowered: jax.stages.Lowered, hlo: str) -> dict[str, str]:
    """Say whether what was marked for computing again is: in a backward, if the jaxpr has one through the steps.

    Then it is named so, or (in a Jacobian, whose vmap renames it) kept apart by a barrier from the first time.
    """
    due = "differentiated=True" in str(jaxpr)
    again = "/rematted_computation" in hlo or (due and "optimization_barrier" in lowered.as_text())
    return {"checkpointed": "yes" if "/checkpoint" in hlo and (again or not due) else "no"}


def make(mode: str, program: Program) -> Execution:
    """Return the execution of a mode: "eager", "jit" and its variants, or "as written"."""
    makers: Mapping[str, Callable[[], Execution]] = {
        "eager": lambda: Eager(program, disable_jit=True),
        "as written": lambda: Eager(program, disable_jit=False),
        "jit": lambda: Compiled(program),
        "checkpoint": lambda: Compiled(program, _checkpointed),
        "unrolled": lambda: Compiled(program, _loops),
    }
    return makers[mode]()

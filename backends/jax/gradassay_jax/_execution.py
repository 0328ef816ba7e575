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

    def run(self, operator: Operator, key: tuple[object, ...], *arguments: Arrays) -> tuple[Results, dict[str, str]]:
        """Return (results, evidence)."""
        ...


class Eager:
    """Without compilation of the whole. `disable_jit`: op by op, with every `lax.scan` a loop in Python.

    Otherwise as the function is written: op by op, with its own `jax.jit` and `lax.scan` compiled inside.
    """

    def __init__(self, program: Program, *, disable_jit: bool) -> None:
        self._program, self._disable_jit = program, disable_jit

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


class Compiled:
    """One executable a key and shapes, made ahead of time and kept."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._executables: dict[tuple[object, ...], tuple[jax.stages.Compiled, int]] = {}

    def run(self, operator: Operator, key: tuple[object, ...], *arguments: Arrays) -> tuple[Results, dict[str, str]]:
        key = (key, tuple(_signature(tensors) for tensors in arguments))
        compiled_now = key not in self._executables
        if compiled_now:
            executable = jax.jit(operator).lower(*arguments).compile()
            self._executables[key] = executable, _instructions(executable)
        executable, instructions = self._executables[key]
        tally = self._program.tally
        before = tally.bodies, tally.steps
        results: Results = jax.block_until_ready(executable(*arguments))  # type: ignore[no-untyped-call]  # untyped in jax
        bodies, steps = tally.since(*before)
        return results, {
            "executed": "compiled" if bodies == steps == 0 and instructions else "in Python",
            "python_bodies": str(bodies),
            "python_steps": str(steps),
            "hlo_instructions": str(instructions),
            "compiled_now": str(compiled_now).lower(),
        }


def _signature(tensors: Arrays) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, value.shape, str(value.dtype)) for name, value in sorted(tensors.items()))


def _instructions(executable: jax.stages.Compiled) -> int:
    """Count the instructions of an executable's optimised HLO."""
    return len(re.findall(r"^\s+(?:ROOT )?%?[\w.-]+ = ", executable.as_text() or "", flags=re.MULTILINE))


def make(mode: str, program: Program) -> Execution:
    """Return the execution of a mode: "eager", "jit", or "as written"."""
    makers: Mapping[str, Callable[[], Execution]] = {
        "eager": lambda: Eager(program, disable_jit=True),
        "as written": lambda: Eager(program, disable_jit=False),
        "jit": lambda: Compiled(program),
    }
    return makers[mode]()

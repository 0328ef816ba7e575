"""How steps follow one another: by `lax.scan`, by one that computes each step again, or written out one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

State = tuple[jax.Array, jax.Array]  # h, c
Step = Callable[[State, Any], tuple[State, jax.Array]]
Loop = Callable[[Step, State, Any, bool], tuple[State, jax.Array]]


def scan(step: Step, state: State, inputs: Any, reverse: bool) -> tuple[State, jax.Array]:
    """Return the last state and y (T,B,S) for inputs with a leading axis of T steps."""
    found: tuple[State, jax.Array] = lax.scan(step, state, inputs, reverse=reverse)
    return found


def checkpointed(step: Step, state: State, inputs: Any, reverse: bool) -> tuple[State, jax.Array]:
    """As `scan`; of a step only its inputs are kept, and the backward computes it again."""
    return scan(jax.checkpoint(step), state, inputs, reverse)


def unrolled(step: Step, state: State, inputs: Any, reverse: bool) -> tuple[State, jax.Array]:
    """As `scan`, with every step written out: no loop is left to compile."""
    steps = range(jax.tree.leaves(inputs)[0].shape[0])
    outputs = []
    for t in reversed(steps) if reverse else steps:
        state, y = step(state, jax.tree.map(lambda sequence, t=t: sequence[t], inputs))
        outputs.append(y)
    if reverse:
        outputs.reverse()
    h, _ = state
    return state, jnp.stack(outputs) if outputs else jnp.zeros((0, *h.shape), h.dtype)


BY_MODE: Mapping[str, Loop] = {"checkpoint": checkpointed, "unrolled": unrolled}

"""torch's generators of random numbers: one for the CPU, and one for each CUDA device that is in use."""

from __future__ import annotations

import torch


def random_state() -> dict[str, bytes]:
    """Return the state of each generator by its name. A device that nobody has used yet is not woken up."""
    states = {"torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch
        states |= {f"torch cuda:{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    return {name: state.numpy().tobytes() for name, state in states.items()}

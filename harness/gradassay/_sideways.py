"""What a call does beside its answer, seen where it runs: memory that is shared, and random numbers that are drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations

import numpy as np

from gradassay._backend import Backend, Randomness
from gradassay._spec import Array, Tensors

WORK = 10_000  # steps that may be spent on whether two arrays overlap


def lay(array: Array, handed: str) -> Array:
    """Return the array with its elements lying in memory as `handed` says; a stranger between them is a NaN."""
    match handed:
        case "plain":
            return array
        case "read-only":
            array = np.array(array)  # not copy: NumPy's own scalars have no flags to set
            array.flags.writeable = False
            return array
        case "transposed":
            return np.array(array.T, order="C").T  # not ascontiguousarray: a number would get an axis
        case "strided" if array.ndim:
            filler = np.nan if array.dtype.kind != "i" else np.iinfo(array.dtype).max
            wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), filler).astype(array.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        case "strided":
            return array
        case other:
            raise RuntimeError(f"arrays cannot be handed over {other!r}")


def random_state(backend: Backend) -> dict[str, object]:
    """Return the state of every generator of random numbers that a call could disturb, by its owner, to compare."""
    kind, words, position, *_ = np.random.get_state()
    state: dict[str, object] = {
        "python": random.getstate(),
        "numpy": (kind, position, np.asarray(words).tobytes()),
    }
    if isinstance(backend, Randomness):
        state |= backend.random_state()
    return state


@contextmanager
def watched_generators(backend: Backend, reseeded: list[str]) -> Iterator[None]:
    """Add to `reseeded` every generator whose state changes within.

    A number is drawn first, and put back where nothing else was done: a call that sets a seed would otherwise be seen
    the first time alone, and not when it sets the same one again.
    """
    python, numpy_ = random.getstate(), np.random.get_state()
    random.random()
    np.random.random()
    before = random_state(backend)
    try:
        yield
    finally:
        reseeded += [name for name, state in random_state(backend).items() if before.get(name) != state]
        if "python" not in reseeded:
            random.setstate(python)
        if "numpy" not in reseeded:
            np.random.set_state(numpy_)


def named(found: Mapping[str, Mapping[str, Array | None]]) -> dict[str, Array]:
    """Return the arrays of an answer by what they are: "output y", "gradient of x", "tangent of y"."""
    words = {"outputs": "output ", "gradients": "gradient of ", "tangents": "tangent of ", "jacobian": ""}
    return {
        words[group] + name: array
        for group, arrays in found.items()
        for name, array in arrays.items()
        if array is not None
    }


def aliases(returned: Tensors, groups: Mapping[str, Tensors], parameters: Tensors) -> list[str]:
    """Name the pairs that share memory: derivatives with one another, and with what was handed over.

    Outputs are left out: the last step of y may well be a view of h_n, and nobody adds into either.
    """
    derivatives = {name: array for name, array in returned.items() if not name.startswith("output ")}
    given = {
        f"{group.removesuffix('s')} {name}": array
        for group, arrays in {**groups, "parameters": parameters}.items()
        for name, array in arrays.items()
    }
    pairs = [*combinations(derivatives, 2), *((a, b) for a in derivatives for b in given)]
    return [f"{a} and {b}" for a, b in pairs if _overlap(derivatives[a], (derivatives | given)[b])]


def _overlap(a: Array, b: Array) -> bool:
    try:
        return bool(np.may_share_memory(a, b)) and bool(np.shares_memory(a, b, WORK))  # type: ignore[arg-type]  # its stub knows the two special values alone
    except np.exceptions.TooHardError:  # nobody can say: no accusation
        return False

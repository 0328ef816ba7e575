"""What is clipped, by what and to what (`Clip`), and what changes between calls (`Call`)."""

from __future__ import annotations

from math import frexp, inf
from typing import Literal

import msgspec

BITS = 8  # of significance, which every dtype holds
FAR = 2.0**8
LEAST, LARGEST = 2.0**-14, 2.0**15  # and the range in which they are held: float16's normal numbers


class Clip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clipping of several tensors, by their common norm, by the norm of each, or element by element.

    Args:
        shapes: of the tensors; () is a scalar.
        limit: the largest norm, or the largest magnitude of an element. By value every dtype has to hold it exactly:
            what is clipped is the limit, to the last bit.
        by: "norm" (one norm of all tensors together), "each" (every tensor by its own), or "value".
        epsilon: what is added to a norm before the limit is divided by it.
    """

    shapes: tuple[tuple[int, ...], ...]
    limit: float
    by: Literal["norm", "each", "value"] = "norm"
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        if not self.shapes:
            raise ValueError("Clip.shapes is empty; there should be at least one tensor")
        for number, shape in enumerate(self.shapes):
            if any(size < 1 for size in shape):
                raise ValueError(f"Clip.shapes[{number}] is {shape}; every size should be at least 1")
        if not 0.0 < self.limit < inf:
            raise ValueError(f"Clip.limit is {self.limit}; it should be positive and finite")
        if not 0.0 <= self.epsilon < inf:
            raise ValueError(f"Clip.epsilon is {self.epsilon}; it should be 0 (none) or positive, and finite")
        if self.by == "value":
            self._check_value()

    def _check_value(self) -> None:
        if self.epsilon:
            raise ValueError(f"Clip.epsilon is {self.epsilon}, but nothing is divided by value; it should be 0")
        mantissa, _ = frexp(self.limit)
        if (mantissa * 2.0**BITS) % 1.0 or not LEAST <= self.limit <= LARGEST:
            raise ValueError(
                f"Clip.limit is {self.limit}; by value it should have at most {BITS} significant bits and lie between "
                "2^-14 and 2^15, so that every dtype holds it"
            )


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call: which tensors are absent (a parameter without a gradient), and how large the rest is.

    Args:
        absent: numbers of the tensors that are not there.
        zero: every element is exactly 0.
        far: the global norm is more than 2^8 times the limit; by value and by the norm of each it says nothing.
    """

    absent: tuple[int, ...] = ()
    zero: bool = False
    far: bool = False

    def __post_init__(self) -> None:
        if list(self.absent) != sorted(set(self.absent)) or any(number < 0 for number in self.absent):
            raise ValueError(f"Call.absent is {self.absent}; it should be tensor numbers from 0 in order, each once")
        if self.zero and self.far:
            raise ValueError("Call has zero and far: a norm of zero is not far above a limit; one of them at most")

"""A property: one sentence that must hold of a right implementation, and the questions that show whether it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from gradassay._folder import entries
from gradassay._spec import Array, Tensor
from gradassay._target import numpy_dtype

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._subject import Subject


@dataclass(frozen=True)
class Finding:
    """One thing a property looked at: an array beside its reference, or a statement that holds or does not.

    `fault` is the statement that does not hold, in words: what was got and what it should be. `labels` are the
    tensors whose dimensions, one after the other, are those of `got`, so that an element can be named.
    """

    tensor: str
    got: Array | None = None
    reference: Reference | None = None
    labels: tuple[Tensor, ...] = ()
    fault: str = ""


def between(
    first: Mapping[str, Array | None], scales: Mapping[str, Reference], prefix: str = ""
) -> dict[str, Reference]:
    """References for a second answer: the first, with the noise of a difference of two.

    An array of another shape has none. What leaks into an exact zero twice alike is wrong, but the same: it is for
    others to tell.

    Args:
        first: what the second answer should be, within noise.
        scales: the certified references, for their noise.
        prefix: before a tensor's name in `scales`, "d " for gradients.
    """
    tiny = np.finfo(np.float64).tiny
    return {
        prefix + name: replace(
            scale,
            high=array.astype(np.float64),
            low=np.zeros(array.shape),
            radius=np.zeros(array.shape),
            zero=scale.zero & (array == 0),
            sigma=np.sqrt(2.0) * np.where(scale.zero, tiny, scale.sigma),
        )
        for name, array in first.items()
        if array is not None and array.shape == (scale := scales[prefix + name]).high.shape
    }


def scan(package: ModuleType) -> dict[str, Property]:
    """Return the properties of a package by name: one module, one property; a module put into its folder is found.

    Raises:
        ValueError: if two have one name.
    """
    return entries(package, Property, lambda found: found.name, "properties are called")


def always(case: Case) -> bool:
    return True


@dataclass(frozen=True)
class Property:
    """What must hold, as a sentence and an equation, and how it is looked at.

    Args:
        name: short and stable.
        claim: one sentence.
        equation: the same in mathematics.
        needs: the operators of a backend without which it cannot be asked.
        check: yields findings; every request to the backend goes through the subject.
        applies: whether a case is one for it (a full Jacobian only where it is small).
        thorough: it costs several calls, or a second derivative: asked of cases that are thorough, or named, alone.
        compiles: it asks for other shapes, options or subsets, and so costs further graphs in a mode that compiles.
        promise: asked of backends that promise this, and of no other: safety against NaN on padding, say.
    """

    name: str
    claim: str
    equation: str
    needs: frozenset[str]
    check: Callable[[Subject, Case, Oracle], Iterator[Finding]]
    applies: Callable[[Case], bool] = always
    thorough: bool = False
    compiles: bool = False
    promise: str = ""


def compare(
    got: Mapping[str, Array | None],
    references: Mapping[str, Reference],
    names: tuple[str, ...],
    case: Case,
    prefix: str = "",
) -> Iterator[Finding]:
    """Set each named tensor beside its reference; a None, a missing tensor, another shape or dtype is a fault."""
    for name in names:
        array, reference = got.get(name), references[prefix + name]
        labels = (case.table[name],)
        if array is None:
            missing = "None: 'no gradient', which is not zero" if name in got else "nothing"
            yield Finding(name, fault=f"got {missing}; should be an array of shape {reference.high.shape}")
        elif array.shape != reference.high.shape:
            yield Finding(name, fault=f"got shape {array.shape}; should be {reference.high.shape}")
        elif array.dtype != numpy_dtype(case.dtype):
            yield Finding(name, fault=f"got dtype {array.dtype}; should be {case.dtype}")
        else:
            yield Finding(name, np.asarray(array), reference, labels)


def compare_again(
    got: Mapping[str, Array | None],
    known: Mapping[str, Array],
    references: Mapping[str, Reference],
    case: Case,
    what: str,
) -> Iterator[Finding]:
    """Set outputs that came with another answer beside their references, unless they are the bits that are known.

    `what` says which answer it was, in the tensor's name: "y of jvp".
    """
    for name, array in known.items():
        again = got.get(name)
        if again is None or again.dtype != array.dtype or not np.array_equal(again, array, equal_nan=True):
            for finding in compare({name: again} if name in got else {}, references, (name,), case):
                yield replace(finding, tensor=f"{name} of {what}")

"""What a planted fault changes, found without any judgement: a fault that changes nothing would prove nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._fault import Fault
from gradassay._process import Local
from gradassay._session import Answer, BackendError
from gradassay._spec import Array, CaseTemplate, Spec
from gradassay.properties import properties_of

Content = Mapping[str, "Array | str | None"]
IN_PLACE = "in place: "


class FaultError(UsageError):
    """A planted fault that is none: it changes nothing, or not the tensors that it names."""


class Watched(Local):
    """A backend of this process that keeps everything it answered, in order."""

    def __init__(self, backend: Any, answers: list[Content] | None = None) -> None:
        super().__init__(backend)
        self._backend = backend
        self.answers: list[Content] = [] if answers is None else answers

    def anew(self) -> Watched:
        return Watched(self._backend, self.answers)

    def call(self, *args: Any, **options: Any) -> Answer:
        try:
            answer = super().call(*args, **options)
        except BackendError as error:
            self.answers.append({"raised": str(error)})
            raise
        self.answers.append(content(answer, args[1]))
        return answer


def content(answer: Answer, operator: str) -> Content:
    """Return everything an answer says, by names: "y", "d x", "second d x", "tangent of y", "jacobian", "ran"; and what
    it did beside that: "in place: weight_hh_l0".
    """
    pulled = "second d " if operator == "hvp" else "d "
    found: dict[str, Array | str | None] = dict(answer.outputs)
    found |= {pulled + name: array for name, array in answer.gradients.items()}
    found |= {f"tangent of {name}": array for name, array in answer.tangents.items()}
    found |= {"jacobian": answer.jacobian} if operator == "jacobian" else {}
    found["ran"] = ", ".join(f"{key}={value}" for key, value in sorted(answer.ran.items()))
    sideways = {
        IN_PLACE: answer.touched,
        "shared: ": answer.aliases,
        "overwritten: ": answer.overwritten,
        "random state: ": answer.reseeded,
    }
    return found | {kind + name: "" for kind, names in sideways.items() for name in names}


def tensor_of(name: str) -> str:
    """Return the tensor that such a name is about."""
    for prefix in ("second d ", "d ", "tangent of ", IN_PLACE):
        name = name.removeprefix(prefix)
    return name


def difference(right: Sequence[Content], wrong: Sequence[Content]) -> dict[str, float]:
    """Return what differs between two runs of the same questions, as a fraction of the largest right value.

    What is no number, of another shape, not finite or not there differs infinitely.
    """
    found: dict[str, float] = {}
    for a, b in zip(right, wrong, strict=False):
        for name in a.keys() | b.keys():
            if size := _change(a.get(name), b.get(name)):
                found[name] = max(found.get(name, 0.0), size)
    if not found and len(right) != len(wrong):
        found["calls"] = float("inf")
    return dict(sorted(found.items()))


def _change(right: Array | str | None, wrong: Array | str | None) -> float:
    if not isinstance(right, np.ndarray) or not isinstance(wrong, np.ndarray):
        return 0.0 if right is wrong or (isinstance(right, str) and right == wrong) else float("inf")
    if right.shape != wrong.shape or right.dtype != wrong.dtype:
        return float("inf")
    a, b = right.astype(np.float64), wrong.astype(np.float64)
    if np.array_equal(a, b, equal_nan=True):
        return 0.0
    largest = float(np.max(np.abs(a), initial=0.0))
    size = float(np.max(np.abs(b - a))) / largest if largest else float("inf")
    return size if np.isfinite(size) else float("inf")


def fits(spec: Spec[Any, Any], fault: Fault, template: CaseTemplate) -> bool:
    """Say whether a case has what the fault needs: features, sizes, the tensors it shows in, properties that see it.

    A case with an empty tensor has it only for a fault of empty cases.
    """
    every = properties_of(spec)
    probe = Case(spec, "", template, "float64", {}, {}, {})  # `applies` looks at the template, not at data
    tensors = spec.tensors(template.config, template.call)
    features = spec.features(template.config, template.call)
    sizes: dict[str, int] = {}
    for axis in (axis for tensor in tensors for group in tensor.axes for axis in group):
        sizes[axis.name] = max(axis.size, sizes.get(axis.name, 0))
    return (
        fault.needs <= features
        and all(sizes.get(name, 0) >= least for name, least in (fault.minimum or {}).items())
        and set(fault.shows_in) <= {tensor.name for tensor in tensors}
        and (all(0 not in tensor.shape for tensor in tensors) or bool(fault.needs & _of_nothing(spec)))
        and all(every[name].applies(probe) for name in fault.seen_by)
        and (template.thorough or not any(every[name].thorough for name in fault.seen_by))
    )


def _of_nothing(spec: Spec[Any, Any]) -> frozenset[str]:
    """Return the features that only cases with an empty tensor have: no rows, no steps."""
    empty, full = set[str](), set[str]()
    for template in (template for suite in spec.suites().values() for template in suite):
        tensors = spec.tensors(template.config, template.call)
        nothing = any(0 in tensor.shape for tensor in tensors)
        (empty if nothing else full).update(spec.features(template.config, template.call))
    return frozenset(empty - full)


def simplest(spec: Spec[Any, Any], fault: Fault, suite: str) -> CaseTemplate | None:
    """Return the case of a suite with the fewest numbers among those that fit, or None."""
    fitting = (t for t in spec.suites()[suite] if fits(spec, fault, t))
    return min(fitting, key=lambda template: numbers(spec, template), default=None)


def numbers(spec: Spec[Any, Any], template: CaseTemplate) -> int:
    """Return how many numbers go into a case and come out of it, by which cases are put in order."""
    return sum(int(np.prod(tensor.shape)) for tensor in spec.tensors(template.config, template.call))

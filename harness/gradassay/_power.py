"""What a planted fault changes, and in which cases: a fault that changes nothing would prove nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradassay._case import Case, build
from gradassay._fault import Fault
from gradassay._simulated import Simulated
from gradassay._spec import Array, CaseTemplate, Spec
from gradassay._target import Target
from gradassay.properties import properties as generic


class FaultError(Exception):
    """A planted fault that is none: it changes nothing, or not the tensors that it names."""


def fits(spec: Spec[Any, Any], fault: Fault, template: CaseTemplate) -> bool:
    """Say whether a case has what the fault needs: features, sizes, the tensors it shows in, properties that see it.

    A case with an empty tensor never has.
    """
    every = generic() | {property_.name: property_ for property_ in spec.properties}
    probe = Case(spec, "", template, "float64", {}, {}, {})  # `applies` looks at the template, not at data
    tensors = spec.tensors(template.config, template.call)
    sizes: dict[str, int] = {}
    for axis in (axis for tensor in tensors for group in tensor.axes for axis in group):
        sizes[axis.name] = max(axis.size, sizes.get(axis.name, 0))
    return (
        fault.needs <= spec.features(template.config, template.call)
        and all(sizes.get(name, 0) >= least for name, least in (fault.minimum or {}).items())
        and set(fault.shows_in) <= {tensor.name for tensor in tensors}
        and all(0 not in tensor.shape for tensor in tensors)
        and all(every[name].applies(probe) for name in fault.seen_by)
        and (template.thorough or not any(every[name].thorough for name in fault.seen_by))
    )


def simplest(spec: Spec[Any, Any], fault: Fault, suite: str) -> CaseTemplate | None:
    """Return the case of a suite with the fewest numbers among those that fit, or None."""

    def numbers(template: CaseTemplate) -> int:
        return sum(int(np.prod(tensor.shape)) for tensor in spec.tensors(template.config, template.call))

    return min((t for t in spec.suites()[suite] if fits(spec, fault, t)), key=numbers, default=None)


def changes(spec: Spec[Any, Any], fault: Fault, case: Case) -> dict[str, float]:
    """Return what the fault changes in a case, and by how much, without any judgement.

    A right model and the faulty one are given the same calls: the case, one of another shape, the case again.

    Returns:
        The largest change of each output ("y"), gradient ("d x") and parameter ("weight_hh_l0", changed where it
        lies) as a fraction of the largest right value (infinite if that is 0); "ran", if what the model says of
        itself changes.
    """
    call = spec.vary(case.config, case.call)
    varied = build(spec, case.suite, replace(case.template, call=call, seed=case.template.seed + 1), case.dtype)
    right, wrong = (_answers(Simulated(spec, planted), (case, varied, case)) for planted in (None, fault))
    found: dict[str, float] = {}
    for (name, array), (_, other) in zip(right, wrong, strict=True):
        found[name] = max(found.get(name, 0.0), _change(array, other))
    return {name: size for name, size in found.items() if size > 0.0}


def check_changes(spec: Spec[Any, Any], fault: Fault, case: Case) -> dict[str, float]:
    """Return `changes`, once it is sure that there are some.

    Raises:
        FaultError: if the fault changes nothing, or not every tensor that it says it shows in.
    """
    found = changes(spec, fault, case)
    where = f"{case.id} in {case.dtype}"
    if not found:
        raise FaultError(f"the fault {fault.name} changes nothing in {where}: a fault should change something")
    changed = {name.removeprefix("d ") for name in found}
    if missing := sorted(set(fault.shows_in) - changed):
        raise FaultError(
            f"the fault {fault.name} should show in {', '.join(missing)}, "
            f"but changes {', '.join(sorted(changed))} alone in {where}"
        )
    return found


def _answers(backend: Simulated, calls: tuple[Case, ...]) -> list[tuple[str, Array | str]]:
    """Everything that comes of some calls of one model, named, in one order."""
    first = calls[0]
    parameters = {name: array.copy() for name, array in first.parameters.items()}
    model = backend.load(first.spec.name, first.config, parameters, Target(backend.name, "", "cpu", first.dtype))
    found: list[tuple[str, Array | str]] = []
    for case in calls:
        outputs, gradients = model.vjp(case.inputs, case.cotangents, case.differentiable)
        found += outputs.items()
        found += [(f"d {name}", gradients[name]) for name in case.differentiable]  # type: ignore[misc]  # never None here
        found.append(("ran", _words(model.ran)))
    return found + list(parameters.items())


def _words(ran: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(ran.items()))


def _change(right: Array | str, wrong: Array | str) -> float:
    if isinstance(right, str) or isinstance(wrong, str):
        return 0.0 if right == wrong else float("inf")
    a, b = right.astype(np.float64), wrong.astype(np.float64)
    if np.array_equal(a, b):
        return 0.0
    largest = float(np.max(np.abs(a), initial=0.0))
    return float(np.max(np.abs(b - a))) / largest if largest else float("inf")

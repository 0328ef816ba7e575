"""How good a diagnosis is: every fault of a catalogue is planted, and diagnosed from what is found of it.

`python -m gradassay._score lstm float64 float32` prints a line a fault and the score; the fault is planted with its
sums in another order than the hypotheses are run with, so that no rounding is the same.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gradassay import _plugins
from gradassay._arithmetic import Order
from gradassay._case import Case, build
from gradassay._changes import simplest
from gradassay._diagnose import BASIC, Diagnosis, explain
from gradassay._errors import UsageError
from gradassay._fault import Fault
from gradassay._oracle import Oracle
from gradassay._predict import fails, predict
from gradassay._property import Property
from gradassay._simulated import OPERATORS
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import DTYPES
from gradassay.properties import properties_of

SUITES = ("smoke", "questions", "wide")  # the first that has a case in which a fault can show
ORDER: Order = "sequential"  # of the sums of what is diagnosed; hypotheses run in that of BLAS
SECONDS = 60.0


@dataclass(frozen=True)
class Score:
    """What came of diagnosing a planted fault.

    `said` is "first" (the first explanation is the planted fault), "alike" (it is among the explanations, which this
    case cannot tell apart), "another" (others explain it, and it is not among them), "unexplained", or "unseen"
    (nothing failed, so that there was nothing to diagnose).
    """

    fault: str
    case: str
    dtype: str
    said: str
    diagnosis: Diagnosis

    def __str__(self) -> str:
        names = ", ".join(explanation.name for explanation in self.diagnosis.explanations)
        return (
            f"{self.said:12} {self.fault} ({self.case}, {self.dtype}, {self.diagnosis.seconds:.1f} s): {names or '-'}"
        )


def where(spec: Spec[Any, Any], fault: Fault) -> tuple[str, CaseTemplate] | None:
    """Return the simplest case in which a fault can show, and its suite."""
    known = spec.suites()
    found = ((suite, simplest(spec, fault, suite)) for suite in SUITES if suite in known)
    return next(((suite, template) for suite, template in found if template is not None), None)


def asked(spec: Spec[Any, Any], fault: Fault, case: Case) -> Iterator[list[Property]]:
    """Yield what is asked: the basic properties and those that alone can see the fault; if none fails, every one."""
    every = properties_of(spec)
    can = {n: p for n, p in every.items() if p.applies(case) and not (p.promise and p.promise not in fault.promises)}
    yield [p for name, p in can.items() if name in BASIC or name in fault.seen_by]
    yield [p for p in can.values() if case.template.thorough or not p.thorough]


def score(spec: Spec[Any, Any], fault: Fault, dtype: str, oracle: Oracle, seconds: float = SECONDS) -> Score | None:
    """Plant a fault and diagnose it; None where no case can show it, or it does not apply to the dtype."""
    place = where(spec, fault)
    if place is None or fault.ends_process or dtype not in (fault.dtypes or DTYPES):
        return None
    suite, template = place
    case = build(spec, suite, template, dtype)
    for properties in asked(spec, fault, case):
        found = predict(spec, fault, case, properties, oracle, OPERATORS, order=ORDER)
        if wrong := any(fails(finding) for findings in found.values() for finding in findings):
            break
    told = explain(case, found, properties, oracle, OPERATORS, seconds=seconds)
    names = [explanation.name for explanation in told.explanations]
    if not wrong:
        said = "unseen"
    elif not names:
        said = "unexplained"
    else:
        said = "first" if names[0] == fault.name else "alike" if fault.name in names else "another"
    return Score(fault.name, f"{suite}/{template.name}", dtype, said, told)


def scores(spec: Spec[Any, Any], dtypes: Iterable[str], oracle: Oracle) -> Iterator[Score]:
    for dtype in dtypes:
        for fault in spec.faults:
            if (found := score(spec, fault, dtype, oracle)) is not None:
                yield found


def summary(found: Iterable[Score]) -> list[str]:
    """Return a line a dtype: how many are first, or cannot be told apart from it, of those that were seen."""
    by_dtype: dict[str, Counter[str]] = {}
    for one in found:
        by_dtype.setdefault(one.dtype, Counter())[one.said] += 1
    lines = []
    for dtype, said in by_dtype.items():
        seen = sum(said.values()) - said["unseen"]
        right = said["first"] + said["alike"]
        lines.append(
            f"{dtype}: {right} of {seen} ({100 * right / max(seen, 1):.0f} %): {said['first']} first, {said['alike']} "
            f"not to be told apart from the first, {said['another']} taken for another, "
            f"{said['unexplained']} unexplained, {said['unseen']} that nothing asked shows"
        )
    return lines


def main(arguments: list[str]) -> None:
    """Print the score of a spec's catalogue: `lstm float64 float32`.

    Raises:
        UsageError: if there is no such dtype; `PluginError` if there is no such spec.
    """
    name, *dtypes = arguments or ["lstm"]
    if wrong := [dtype for dtype in dtypes if dtype not in DTYPES]:
        raise UsageError(f"there is no dtype {wrong[0]}: there are {', '.join(DTYPES)}")
    spec: Spec[Any, Any] = _plugins.find("spec", name).load()
    held = []
    for one in scores(spec, dtypes or ("float64", "float32"), Oracle()):
        held.append(one)
        print(one, flush=True)
    print("\n".join(summary(held)))


if __name__ == "__main__":
    main(sys.argv[1:])

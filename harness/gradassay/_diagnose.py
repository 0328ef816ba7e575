"""Why a case fails: where it leaves the noise, and which known ways to be wrong give the very same numbers.

A hypothesis is a backend: the properties that failed are asked of the spec's own equations with that fault, in the
same dtype, and what they find is set beside what was found. One explains the observation when every array is equal
within the noise of two and every statement is the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradassay._backend import OPERATORS
from gradassay._case import Case
from gradassay._fault import Fault
from gradassay._hypotheses import hypotheses, likely
from gradassay._limits import PRECISIONS, RMS_FROM, RMS_LIMIT, max_limit
from gradassay._locate import Place, locate
from gradassay._noise import root_mean_square
from gradassay._oracle import Oracle
from gradassay._patterns import joint, tensor_patterns
from gradassay._predict import Found, Key, Pair, distances, fails, keyed, noise_of, observe, pairs, predict
from gradassay._property import Finding, Property
from gradassay._subject import Subject

SECONDS = 20.0  # for one diagnosis
SAMPLES = 8  # draws of the noise of a wrong model
CHEAP = ("values", "gradients")  # what every hypothesis is asked first, in this order
BASIC = ("contract", *CHEAP)
FURTHER = 2  # properties that an explanation has to account for where no basic one fails
SCREEN = 0.25  # of what is wrong, in squared noise units, that may be left over before the noise is looked at
LOOSE = 16.0  # noise units that may be left over then in any case
PLAIN = 2.5  # RMS up to which one explanation is as good as another


@dataclass(frozen=True)
class Explanation:
    """A way to be wrong that gives what was found, within noise.

    Attributes:
        name: of the fault or hypothesis; "pattern" for one that knows the arrays alone.
        sentence: what is wrong.
        size, largest: what is left over, in noise units: root mean square and largest.
        fault: to plant it; None for a pattern.
    """

    name: str
    sentence: str
    size: float
    largest: float
    fault: Fault | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a case. False when nothing is.

    Attributes:
        places: where each failing tensor leaves the noise.
        explanations: the best first; several cannot be told apart by this observation. Empty: unexplained.
        marks: what is plain of single tensors (None, exactly zero, cut off, not finite), with the usual cause.
        before: how far off the observation is, RMS in noise units (None where that is no number).
        tried: how many hypotheses there were.
        stopped: whether time was over before all had been tried.
        seconds: that it took.
    """

    places: tuple[Place, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    marks: tuple[str, ...] = ()
    before: float | None = None
    tried: int = 0
    stopped: bool = False
    seconds: float = 0.0
    wrong: tuple[str, ...] = ()  # "gradients of x", of every failing finding

    def __bool__(self) -> bool:
        return bool(self.wrong)

    def __str__(self) -> str:
        if not self:
            return "nothing is wrong"
        lines = [self.summary, *(f"or {e.sentence}: the same here" for e in self.explanations[1:])]
        lines += [*self.marks, *(f"{place.tensor}: {place}" for place in self.places)]
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """The best explanation with what it leaves over, or that there is none."""
        if self.explanations:
            best = self.explanations[0]
            return f"{best.sentence} (left over: {best.size:.2g} noise units RMS, {best.largest:.2g} at most)"
        if self.stopped:
            return f"not explained in the {self.seconds:.0f} s that there were"
        return f"unexplained: none of {self.tried:,} hypotheses gives these numbers"


def diagnose(
    subject: Subject,
    case: Case,
    properties: Iterable[Property],
    oracle: Oracle,
    *,
    seconds: float = SECONDS,
) -> Diagnosis:
    """Ask a subject some properties of a case, and say what is wrong and why.

    Args:
        subject: the backend on the case, as for a property; what it has answered already costs nothing.
        properties: the more are given, the fewer explanations look alike: contract, values and gradients are good.
        seconds: that the search for an explanation may take.
    """
    asked = tuple(properties)
    return explain(case, observe(subject, case, asked, oracle), asked, oracle, subject.operators, seconds=seconds)


def explain(
    case: Case,
    found: Found,
    properties: Sequence[Property],
    oracle: Oracle,
    operators: frozenset[str] = frozenset(OPERATORS),
    *,
    seconds: float = SECONDS,
    tried: Sequence[Fault] | None = None,
) -> Diagnosis:
    """Say what is wrong with a case, and why, from what its properties found.

    Args:
        found: what each property found, by its name.
        properties: those properties, in the order in which they were asked.
        operators: what the backend can do.
        tried: hypotheses; everything that the spec knows, and some of any model, if not given.
    """
    start = time.perf_counter()
    wrong = [(name, finding) for name, findings in found.items() for finding in findings if fails(finding)]
    if not wrong:
        return Diagnosis(seconds=time.perf_counter() - start)
    faults = likely(hypotheses(case), wrong, case, set(found)) if tried is None else list(tried)
    search = _Search(case, found, _considered(properties, wrong), oracle, operators, start + seconds, properties)
    explained, stopped = search.explanations(faults)
    plain = list(_by_pattern(case, wrong, found))
    places = [place for _, finding in wrong if (place := locate(finding)) is not None]
    explanations = sorted([*explained, *plain], key=lambda e: (e.size > PLAIN, e.fault is None, e.size))
    return Diagnosis(
        places=tuple({p.tensor: p for p in reversed(places)}.values())[::-1],
        explanations=tuple(explanations),
        marks=tuple(_marks(case, wrong)) if not plain else (),
        before=search.before,
        tried=len(hypotheses(case)) if tried is None else len(faults),
        stopped=stopped,
        seconds=time.perf_counter() - start,
        wrong=tuple(dict.fromkeys(f"{name} of {f.tensor}" if f.tensor else name for name, f in wrong)),
    )


def _considered(properties: Sequence[Property], wrong: Sequence[tuple[str, Finding]]) -> list[Property]:
    """The basic properties; where none of those fails, the first few that do: what an explanation accounts for."""
    failing = {name for name, _ in wrong}
    further = [] if failing & set(BASIC) else [p.name for p in properties if p.name in failing][:FURTHER]
    return [p for p in properties if p.name in BASIC or p.name in further]


@dataclass
class _Search:
    """One observation, held against hypotheses until the time is over."""

    case: Case
    found: Found
    properties: Sequence[Property]
    oracle: Oracle
    operators: frozenset[str]
    deadline: float
    asked: Sequence[Property]  # every one, in the order in which they were
    observed: dict[Key, Finding] = field(init=False)

    def __post_init__(self) -> None:
        self.observed = keyed({p.name: self.found[p.name] for p in self.properties if p.name in self.found})

    @property
    def before(self) -> float | None:
        """How far off the failing arrays are, RMS in noise units."""
        z = [b.ravel() for p in self._own() for b in [next(distances([p]))[1]]]
        size = float(root_mean_square(np.concatenate(z))) if z else 0.0
        return size if 0.0 < size < 1e99 else None

    def _own(self) -> list[Pair]:
        failing = {key: finding for key, finding in self.observed.items() if fails(finding)}
        return pairs(failing, failing) or []

    def explanations(self, faults: Sequence[Fault]) -> tuple[list[Explanation], bool]:
        """Return the faults that explain the observation, and whether time was over before all were tried."""
        left = list(faults)
        failing = {name for (name, _, _), finding in self.observed.items() if fails(finding)}
        # What is wrong refutes more than what is right, which most hypotheses leave alone.
        order = sorted(CHEAP, key=lambda name: name not in failing)
        stages = [[p for p in self.properties if p.name == name] for name in order]
        for stage in [stage for stage in stages if stage] or [list(self.properties)]:
            kept = []
            for fault in left:
                if time.perf_counter() > self.deadline:
                    return [], True
                if self._screened(fault, stage):
                    kept.append(fault)
            left = kept
        held: list[Explanation] = []
        for fault in left:
            if time.perf_counter() > self.deadline:
                return held, True
            if (explanation := self._explained(fault)) is not None:
                held.append(explanation)
        return (held, False) if held else self._with_memory(faults)

    def _with_memory(self, faults: Sequence[Fault]) -> tuple[list[Explanation], bool]:
        """Try faults of behaviour with every call made: an answer may depend on the calls before it."""
        wrong = {name for name, findings in self.found.items() if any(map(fails, findings))}
        whole = replace(self, properties=self.asked)
        held: list[Explanation] = []
        for fault in faults:
            if fault.wrap is not None and fault.seen_by & wrong:
                if time.perf_counter() > self.deadline:
                    return held, True
                if (explanation := whole._explained(fault)) is not None:
                    held.append(explanation)
        return held, False

    def _predicted(self, fault: Fault, properties: Sequence[Property], seed: int | None = None) -> dict[Key, Finding]:
        # Values alone are half the work, and enough to tell most of them.
        operators = frozenset({"forward"}) if [p.name for p in properties] == ["values"] else self.operators
        found = predict(self.case.spec, fault, self.case, properties, self.oracle, operators, seed=seed)
        return keyed(found)

    def _screened(self, fault: Fault, stage: Sequence[Property]) -> bool:
        """Whether most of what is wrong is gone once this is taken for the truth."""
        names = {p.name for p in stage}
        mine = {key: f for key, f in self.observed.items() if key[0] in names and " of " not in key[1]}
        theirs = {key: f for key, f in self._predicted(fault, stage).items() if " of " not in key[1]}
        found = pairs(mine, theirs)
        if found is None:
            return False
        left = before = 0.0
        count = 0
        for after, ago in distances(found):
            left, before, count = left + float(np.sum(after**2)), before + float(np.sum(ago**2)), count + after.size
        return left <= max(SCREEN * before, LOOSE**2 * count)

    def _explained(self, fault: Fault) -> Explanation | None:
        """Hold everything that was found against a fault, with the noise that the wrong model itself has."""
        predicted = self._predicted(fault, self.properties)
        failing = {key for key, finding in self.observed.items() if fails(finding)}
        if not any(key in predicted and fails(predicted[key]) for key in failing):
            return None  # it leaves alone what fails: that it is near is the observation's doing, which barely fails
        found = pairs(self.observed, predicted)
        if found is None or not self._near(found):
            return None
        samples = [self._predicted(fault, self.properties, seed) for seed in range(SAMPLES)]
        found = noise_of(found, samples, PRECISIONS[self.case.dtype].floor)
        parts = list(distances(found))
        for z, _ in parts:
            if _beyond(z):
                return None
        hidden = [ago for pair, (_, ago) in zip(found, parts, strict=True) if pair.key in failing]
        left = np.concatenate([z.ravel() for z, _ in parts]) if parts else np.zeros(1)
        size, largest = float(root_mean_square(left)), float(np.max(np.abs(left), initial=0.0))
        if hidden and max(float(root_mean_square(ago)) for ago in hidden) < 2 * size:
            return None  # the noise of this model is so large that it would explain anything
        return Explanation(fault.name, fault.sentence, size, largest, fault)

    def _near(self, found: Sequence[Pair]) -> bool:
        """Whether it is worth the noise: no array is as wrong as before."""
        return all(
            float(root_mean_square(after)) <= max(LOOSE, float(root_mean_square(ago)) / 2)
            for after, ago in distances(found)
        )


def _beyond(z: np.ndarray[Any, Any]) -> bool:
    if not z.size:
        return False
    size = float(root_mean_square(z))
    return float(np.abs(z).max()) > max_limit(z.size) or (z.size >= RMS_FROM and size > RMS_LIMIT)


def _by_pattern(case: Case, wrong: Sequence[tuple[str, Finding]], found: Found) -> Iterator[Explanation]:
    """Explanations of every wrong tensor that need no model."""
    held: dict[str, list[Any]] = {}
    for name, finding in wrong:
        if finding.got is None and finding.tensor in held:
            continue
        patterns = tensor_patterns(finding, case, _others(found, name))
        held[finding.tensor] = [*held.get(finding.tensor, []), *patterns] if patterns else held.get(finding.tensor, [])
    for sentence, size, largest in joint(held):
        yield Explanation("pattern", sentence, size, largest)


def _others(found: Found, name: str) -> Mapping[str, Any]:
    return {f.tensor: f.reference for f in found[name] if f.reference is not None and " of " not in f.tensor}


def _marks(case: Case, wrong: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    """What is plain of single tensors, where no pattern accounts for all."""
    told: dict[str, list[str]] = {}
    first = {finding.tensor: finding for _, finding in reversed(wrong) if " of " not in finding.tensor}
    for finding in reversed(first.values()):  # each tensor once, by the property that was asked first
        for pattern in tensor_patterns(finding, case, {}):
            plain = pattern.words.startswith(("None", "exactly 0", "not finite"))
            if plain and finding.tensor not in told.setdefault(pattern.words, []):
                told[pattern.words].append(finding.tensor)
    yield from (f"{', '.join(names)}: {words}" for words, names in told.items() if names)

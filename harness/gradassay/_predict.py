"""What properties find of a backend that is wrong in a known way, and how far that is from what they found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gradassay._arithmetic import Float64, Noisy, Order
from gradassay._backend import Model
from gradassay._case import Case
from gradassay._fault import Fault
from gradassay._judge import judge
from gradassay._limits import PRECISIONS
from gradassay._oracle import Oracle, Reference
from gradassay._process import Local
from gradassay._property import Finding, Property
from gradassay._session import BackendError, Session
from gradassay._simulated import Simulated, SimulatedModel
from gradassay._spec import Spec, Tensors
from gradassay._subject import Subject
from gradassay._target import Target
from gradassay._words import Words
from gradassay._worker import Reply, Worker

Found = Mapping[str, Sequence[Finding]]  # what each property found, by its name
Key = tuple[str, str, int]  # property, tensor, and which of several of one name
Floats = npt.NDArray[np.float64]


def observe(subject: Subject, case: Case, properties: Iterable[Property], oracle: Oracle) -> dict[str, list[Finding]]:
    """Return all that properties find of a subject; an answer that does not come is a finding in words as well."""
    found: dict[str, list[Finding]] = {}
    for property_ in properties:
        own = found.setdefault(property_.name, [])
        try:
            own.extend(property_.check(subject, case, oracle))
        except Exception as error:  # a property may raise anything of an answer that it did not foresee
            if not (isinstance(error, BackendError) and error.kind == "unsupported"):  # a refusal is no fault
                own.append(ending(error))
    return found


def ending(error: Exception) -> Finding:
    """Return the finding that stands for an answer that did not come: what kind of end it was, not whose words."""
    kind = error.kind if isinstance(error, BackendError) else type(error).__name__
    return Finding("", fault=f"no answer: {kind}")


@dataclass(frozen=True)
class Hypothetical(Simulated):
    """A simulated backend with rounding noise drawn at random, by its seed; with plain rounding when there is none."""

    seed: int | None = None

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        if self.seed is None:
            return super().load(spec, config, parameters, target)
        model: Model = _NoisyModel(self.spec, config, parameters, target.dtype, self.fault, self.order)
        model._seed = self.seed  # type: ignore[attr-defined]  # what Model says is what backends have
        return model if self.fault is None or self.fault.wrap is None else self.fault.wrap(target.dtype, model)


class _Worker(Worker):
    """A worker whose backend brings its spec along: looking it up among the installed ones takes longer than to run."""

    def answer(self, metadata: Mapping[str, Any], tensors: Tensors) -> Reply:
        if metadata["request"] != "load":
            return super().answer(metadata, tensors)
        backend: Any = self.backend
        given = dict(tensors)
        for first, *others in metadata.get("tied", ()):
            given |= dict.fromkeys(others, given[first])
        config = msgspec.convert(metadata["config"], backend.spec.config)
        model = backend.load(metadata["spec"], config, given, msgspec.convert(metadata["target"], Target))
        self._models[metadata["model"]] = (model, given)
        return {}, {}


class _Session(Local):
    def _start(self) -> None:
        if self._worker is None:
            self._worker = _Worker(self._object)

    def anew(self) -> Session:
        return _Session(self._object)


class _NoisyModel(SimulatedModel):
    _seed = 0

    def _numbers(self) -> Float64:
        precision = PRECISIONS[self._dtype.name]
        # The same words for every call: what should give the same bits twice does.
        words = Words(0, "hypothesis", str(self._seed))
        return Noisy(precision.roundoff, precision.roundoff, 0.0, precision.floor, words, samples=1)


def predict(
    spec: Spec[Any, Any],
    fault: Fault | None,
    case: Case,
    properties: Iterable[Property],
    oracle: Oracle,
    operators: frozenset[str],
    *,
    seed: int | None = None,
    order: Order = "blas",
) -> dict[str, list[Finding]]:
    """Return what properties find of the spec's own equations with a fault, in the case's dtype.

    Args:
        operators: what the backend that is diagnosed can do: a property may ask less of one that can less.
        seed: draws the rounding noise at random; plain rounding if not given.
    """
    backend = Hypothetical(spec, fault, order, seed=seed)
    mode = backend.offers[0].modes[0]
    with _Session(backend) as session:
        subject = Subject(session, case, Target(backend.name, mode.name, "cpu", case.dtype), operators, mode)
        with np.errstate(all="ignore"):  # a wrong model may overflow
            found = observe(subject, case, properties, oracle)
            subject.close()
    return found


def keyed(found: Found) -> dict[Key, Finding]:
    """Return findings by property, tensor and, where several have one name, their number."""
    held: dict[Key, Finding] = {}
    for name, findings in found.items():
        seen: Counter[str] = Counter()
        for finding in findings:
            held[name, finding.tensor, seen[finding.tensor]] = finding
            seen[finding.tensor] += 1
    return held


def fails(finding: Finding) -> bool:
    return bool(judge(finding)["outcome"] == "failed")


@dataclass(frozen=True)
class Pair:
    """An array that was found, and the one that was predicted; `sigma` is the noise of either in its own tensor."""

    key: Key
    got: Floats
    predicted: Floats
    reference: Reference
    sigma: Floats


def pairs(observed: Mapping[Key, Finding], predicted: Mapping[Key, Finding]) -> list[Pair] | None:
    """Set arrays side by side; None when what is found in words differs, which no noise excuses.

    What passes and stands on one side alone (an answer that is not compared again when its bits are known) is passed
    over, as is what is blind.
    """
    held: list[Pair] = []
    for key in observed.keys() | predicted.keys():
        mine, theirs = observed.get(key), predicted.get(key)
        if mine is None or theirs is None:
            alone = mine or theirs
            if alone is not None and fails(alone):
                return None
        elif mine.got is None or theirs.got is None or mine.reference is None:
            if (mine.got is None) != (theirs.got is None) or not _alike(mine.fault, theirs.fault):
                return None
        elif mine.got.shape != theirs.got.shape:
            return None
        elif not mine.reference.blind and mine.got.size:
            held.append(_pair(key, mine, theirs, mine.reference))
    return held


def _pair(key: Key, mine: Finding, theirs: Finding, reference: Reference) -> Pair:
    got, predicted = (np.asarray(f.got).astype(np.float64) for f in (mine, theirs))
    # Where the truth is exactly 0, or a wrong model's values are larger, there is more noise than the truth has.
    size = np.where(np.isfinite(predicted), np.abs(predicted), 0.0)
    relative = _typical(reference)
    sigma = np.maximum(np.where(reference.zero, 0.0, reference.sigma), relative * size)
    return Pair(key, got, predicted, reference, np.maximum(sigma, np.finfo(np.float64).tiny))


def _typical(reference: Reference) -> float:
    """The noise of a typical element over its size."""
    ordinary = ~reference.zero & (reference.high != 0)
    if not ordinary.any():
        return reference.roundoff
    with np.errstate(over="ignore"):
        return float(np.median(reference.sigma[ordinary] / np.abs(reference.high[ordinary])))


def _alike(a: str, b: str) -> bool:
    """Whether two statements say the same, whatever the numbers in them."""
    return bool(re.sub(r"[-+.\d]+", "#", a) == re.sub(r"[-+.\d]+", "#", b)) and bool(a) == bool(b)


def distances(found: Iterable[Pair], among: float = np.sqrt(2.0)) -> Iterator[tuple[Floats, Floats]]:
    """Yield (got - predicted, got - truth) of each pair in noise units, the first with the noise of two."""
    with np.errstate(all="ignore"):
        for pair in found:
            same = (pair.got == pair.predicted) | (np.isnan(pair.got) & np.isnan(pair.predicted))
            left = np.where(same, 0.0, (pair.got - pair.predicted) / (among * pair.sigma))
            before = (pair.got - pair.reference.high - pair.reference.low) / pair.sigma
            yield (
                np.where(
                    np.isfinite(left), np.clip(left, -1e100, 1e100), np.sign(left) * 1e100 + 1e100 * np.isnan(left)
                ),
                np.where(np.isfinite(before), np.clip(before, -1e100, 1e100), 1e100),
            )


def noise_of(found: Sequence[Pair], samples: Sequence[Mapping[Key, Finding]], floor: float) -> list[Pair]:
    """Return the pairs with the noise of the wrong model itself, as samples of it show."""
    held = []
    for pair in found:
        answers = [
            finding.got.astype(np.float64)
            for sample in samples
            if (finding := sample.get(pair.key)) is not None
            and finding.got is not None
            and finding.got.shape == pair.predicted.shape
        ]
        if not answers:
            held.append(pair)
            continue
        with np.errstate(all="ignore"):
            strays = [answer - pair.predicted for answer in answers]
            spread = np.sqrt(np.mean(np.square(np.stack(strays)), axis=0))
        spread = np.where(np.isfinite(spread), spread, 0.0)
        truth = np.where(pair.reference.zero, 0.0, pair.reference.sigma)
        held.append(replace(pair, sigma=np.maximum(np.maximum(spread, truth), floor)))
    return held

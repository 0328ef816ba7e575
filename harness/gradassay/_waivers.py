"""Known failures: a waiver says what fails, where, by how much, why, and until when. It is met, or the run fails."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any, Literal

import msgspec

from gradassay._backend import Backend
from gradassay._errors import UsageError
from gradassay._plan import AGREEMENT, DRAWN, Plan
from gradassay._record import FAILING, Verdict
from gradassay.properties import properties_of
from gradassay.views._words import count, printable, units

PATTERN = re.compile(r"[\w.:/+=,-]+( [\w.:/+=,-]+)*")  # nothing that a shell or pytest's -k reads itself
Words = str | tuple[str, ...]


class WaiverError(UsageError):
    """A file of waivers that cannot be read: the message names the file, the waiver, the field and what is right."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table `[[waiver]]` of the file."""

    issue: str
    reason: str
    expires: date
    target: Words
    property: str
    tensor: Words = ()
    spec: str = ""
    case: Words = ()
    noise_units: tuple[float, float] | None = None
    kind: Literal["not finite", "structural zero"] | None = None
    says: str = ""


@dataclass(frozen=True)
class Scope:
    """What a run can be asked, so that a waiver which matches nothing is told from one that is another run's.

    Attributes:
        targets: those of the run, as printed.
        offered: every target that the run's backends offer.
        cases: "spec/suite/case" of every case there is, selected or not.
        properties: every property there is.
        every_target: nobody named targets: a waiver for one that is not there matches nothing.
        selected: not everything that exists is asked: something was selected, or it is no sweep.
    """

    targets: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    every_target: bool = False
    selected: bool = False

    @classmethod
    def of(
        cls, laid: Plan, backends: Mapping[str, Backend], *, every_target: bool = False, selected: bool = False
    ) -> Scope:
        """Return the scope of a plan: its targets, and every case and property of its specs."""
        offered = [
            f"{name}/{mode.name}/{device}/{dtype}"
            for name in laid.jobs
            for offer in backends[name].offers
            for mode, device, dtype in product(offer.modes, offer.devices, offer.dtypes)
        ]
        specs = laid.specs.values()
        cases = [f"{s.name}/{suite}/{t.name}" for s in specs for suite, found in s.suites().items() for t in found]
        drawn = [f"{spec.name}/{DRAWN}/{DRAWN}" for spec in specs]
        properties = (*(name for spec in specs for name in properties_of(spec)), AGREEMENT)
        return cls(tuple(map(str, laid.targets)), tuple(offered), (*cases, *drawn), properties, every_target, selected)


@dataclass(frozen=True)
class Waiver:
    """One known failure.

    Attributes:
        number: its place in the file, from 1.
        expires: the last day that it holds on, in UTC.
        targets: as on the command line, a part that is left out meaning all of it.
        cases: "suite/case", or a suite or a case alone; every case if there is none.
        tensors: the tensors that fail; any, if there is none.
        noise_units: the least and the largest that the largest |z| of a failing tensor may be.
        kind: instead of it, what the worst element is: "not finite", or a "structural zero" that is not 0.
        says: instead of either, a part of the reason of a failure that has no number.
    """

    number: int
    issue: str
    reason: str
    expires: date
    targets: tuple[str, ...]
    property_name: str
    tensors: tuple[str, ...] = ()
    spec: str = ""
    cases: tuple[str, ...] = ()
    noise_units: tuple[float, float] | None = None
    kind: str | None = None
    says: str = ""

    def __str__(self) -> str:
        return f"waiver {self.number} ({self.issue})"

    @property
    def why(self) -> str:
        """What is shown where a failure is waived."""
        return f"{self.issue}: {self.reason}"

    def covers(self, verdict: Verdict) -> bool:
        """Whether it is about the question that this verdict is on."""
        where = f"{verdict.spec}/{verdict.suite}/{verdict.case}"
        return (
            verdict.property == self.property_name
            and any(_of_target(text, verdict) for text in self.targets)
            and self.about(where)
        )

    def about(self, where: str) -> bool:
        """Whether it is about a case, named as "spec/suite/case"."""
        spec = where.partition("/")[0]
        return self.spec in ("", spec) and (not self.cases or any(fits_case(text, where) for text in self.cases))

    def expects(self, verdict: Verdict) -> bool:
        """Whether a verdict is the failure that is known: the same question, tensor and size."""
        if verdict.outcome not in FAILING or not self.covers(verdict):
            return False
        if self.tensors and tensor_of(verdict) not in self.tensors:
            return False
        if self.says:
            return self.says in verdict.reason
        if self.kind is not None:
            return verdict.worst is not None and verdict.worst.kind == self.kind
        assert self.noise_units is not None  # the file was checked
        low, high = self.noise_units
        return verdict.max is not None and low <= verdict.max <= high

    @property
    def expectation(self) -> str:
        """`c0 at 40 to 400 noise units`."""
        tensors = ", ".join(self.tensors) or "it"
        if self.noise_units is not None:
            low, high = self.noise_units
            return f"{tensors} at {units(low)} to {units(high)} noise units"
        return (
            f"{tensors} with the reason '{self.says}'" if self.says else f"{tensors} with a worst element {self.kind}"
        )


@dataclass(frozen=True)
class Waivers:
    """The known failures of a run; `within` says of which."""

    known: tuple[Waiver, ...] = ()
    scope: Scope = Scope()
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    @classmethod
    def of(cls, given: str | Path | Waivers | None) -> Waivers:
        """Read a file of waivers.

        Raises:
            WaiverError: if it cannot be read, or a field is missing, unknown, or not what it should be.
        """
        if isinstance(given, Waivers):
            return given
        return cls() if given is None else cls(tuple(_read(Path(given))))

    def within(self, scope: Scope) -> Waivers:
        return replace(self, scope=scope)

    def waiver(self, verdict: Verdict) -> Waiver | None:
        """Return the waiver that expects this failure and has not expired."""
        return next((w for w in self.known if self.today <= w.expires and w.expects(verdict)), None)

    def mark(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the issue of its waiver, if it has one. What failed has still failed."""
        waiver = self.waiver(verdict)
        return msgspec.structs.replace(verdict, waived=waiver.issue) if waiver else verdict

    def unmet(self, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
        """Say of each waiver why it should not be there: expired, matching nothing, or its failure gone or different.

        One that is about other targets than the run's, or about questions that a selection left out, is not judged.
        """
        return tuple(said for waiver in self.known for said in self._unmet(waiver, verdicts))

    def _unmet(self, waiver: Waiver, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if waiver.expires < self.today:
            yield f"{waiver} has expired on {waiver.expires}: look again, then renew or remove it"
            return
        covered = [v for v in verdicts if waiver.covers(v)]
        if not covered:
            if missing := self._missing(waiver, verdicts):
                yield f"{waiver} matches nothing: {missing}"
            return
        if not any(waiver.expects(v) for v in covered):
            yield f"{waiver}: {_changed(waiver, covered)}"
            return
        # Whatever a waiver lists must fail as it says: a part of it that does not is gone, or different.
        parts: list[tuple[str, list[Verdict]]] = [
            *((t, [v for v in covered if _of_target(t, v)]) for t in waiver.targets),
            *((c, [v for v in covered if fits_case(c, f"{v.spec}/{v.suite}/{v.case}")]) for c in waiver.cases),
            *((t, [v for v in covered if tensor_of(v) == t]) for t in waiver.tensors),
        ]
        for part, own in parts:
            if own and not any(waiver.expects(v) for v in own):
                yield f"{waiver}, {part}: {_changed(waiver, own)}"

    def _missing(self, waiver: Waiver, verdicts: Sequence[Verdict]) -> str:
        """Say what does not exist; nothing, where this run was merely not asked for it."""
        scope = self.scope
        here = [target for target in scope.targets if any(fits_target(text, target) for text in waiver.targets)]
        if not here:
            wanted = " or ".join(waiver.targets)
            if scope.every_target:
                return f"this run has no target {wanted}"
            backends = {target.rsplit("/", 3)[0] for target in scope.offered}
            known = [text for text in waiver.targets if any(text == b or text.startswith(f"{b}/") for b in backends)]
            unknown = [text for text in known if not any(fits_target(text, target) for target in scope.offered)]
            return f"no backend of this run offers {unknown[0]}" if unknown else ""
        if waiver.property_name not in scope.properties:
            return f"there is no property {waiver.property_name}"
        tests = any("::" in text for text in waiver.cases)  # a test of somebody's: only pytest knows which there are
        if not tests and not any(waiver.about(where) for where in scope.cases):
            of = f" of the spec {waiver.spec}" if waiver.spec else ""
            return f"there is no case {' or '.join(waiver.cases)}{of}" if waiver.cases else f"there is nothing{of}"
        absent = {v.target for v in verdicts if not v.property and v.outcome == "skipped"}  # its device is not here
        if scope.selected or absent.issuperset(here):
            return ""
        return f"{waiver.property_name} is not asked of {here[0]} there"


NONE = Waivers()


def tensor_of(verdict: Verdict) -> str:
    """The tensor that failed: agreement is of all tensors, and names the worst."""
    return verdict.tensor or (verdict.worst.tensor if verdict.worst is not None else "")


def fits_target(text: str, target: str) -> bool:
    """Whether `torch/float32` is what is printed as `torch/native/cpu/float32`."""
    backend, *parts = target.rsplit("/", 3)
    if text != backend and not text.startswith(f"{backend}/"):
        return False
    return set(text.removeprefix(backend).split("/")[1:]) <= set(parts)


def fits_case(text: str, where: str) -> bool:
    """Whether `smoke/plain`, `smoke` or `plain` names the case "lstm/smoke/plain"."""
    _, suite, case = where.split("/", 2)
    return text in (suite, case, f"{suite}/{case}")


def _of_target(text: str, verdict: Verdict) -> bool:
    return any(fits_target(text, target) for target in (verdict.target, verdict.against) if target)


def _changed(waiver: Waiver, covered: Sequence[Verdict]) -> str:
    """Say what became of a failure, from verdicts on its question of which none is what was expected."""
    wrong = [v for v in covered if v.outcome in FAILING]
    if wrong:
        worst = max(wrong, key=lambda v: v.max or float("inf"))
        size = f"at {units(worst.max)} noise units" if worst.max is not None else f"with '{printable(worst.reason)}'"
        tensor = printable(tensor_of(worst)) or "everything"
        where = f"{printable(worst.target)}, {printable(worst.suite)}/{printable(worst.case)}"
        expected = f"should be {waiver.expectation}"
        return f"its failure is different: {tensor} {worst.outcome} {size} ({where}); {expected}"
    counts = {o: sum(v.outcome == o for v in covered) for o in ("passed", "blind", "skipped", "not applicable")}
    said = ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items() if number)
    return f"its failure is gone: {count(len(covered), 'verdict')} there, {said}; remove it"


def _read(path: Path) -> Iterator[Waiver]:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WaiverError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WaiverError(f"{path} is not TOML: {error}") from error
    entries = content.pop("waiver", [])
    if content or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        what = f"has {', '.join(map(repr, content))}" if content else "has a 'waiver' that is no array of tables"
        raise WaiverError(f"{path} {what}; it should hold tables [[waiver]], and nothing else")
    for number, entry in enumerate(entries, start=1):
        yield _waiver(f"{path}, waiver {number}", number, entry)


def _waiver(where: str, number: int, given: dict[str, Any]) -> Waiver:
    try:
        entry = msgspec.convert(given, _Entry)
    except msgspec.ValidationError as error:
        raise WaiverError(f"{where}: {str(error).replace(' - at `$.', ' - in `')}") from error

    def wrong(name: str, what: str) -> WaiverError:
        return WaiverError(f"{where}: {name} {what}")

    def words(name: str, needed: bool = False) -> tuple[str, ...]:
        value: Words = getattr(entry, name)
        texts = (value,) if isinstance(value, str) else value
        if needed and not texts:
            raise wrong(name, "is empty; name at least one")
        for text in texts:
            if not PATTERN.fullmatch(text):
                raise wrong(name, f"is {text!r}; it should be a name, without signs that shells read: leave a part out "
                                  "to mean all of it")  # fmt: skip
        return texts

    for name in ("issue", "reason", "property"):
        if not getattr(entry, name).strip():
            raise wrong(name, "is empty")
    if not re.match(r"https?://\S+$", entry.issue):
        raise wrong("issue", f"is {entry.issue!r}; it should be a link, https://...")
    sizes = [name for name in ("noise_units", "kind", "says") if getattr(entry, name)]
    if len(sizes) != 1:
        found = " and ".join(sizes) or "none"
        raise WaiverError(f"{where}: the size should be one of noise_units, kind and says; found {found}")
    if entry.noise_units is not None and not 0 < entry.noise_units[0] <= entry.noise_units[1]:
        raise wrong("noise_units", f"is {list(entry.noise_units)}; it should be [least, largest], above 0")
    tensors = (entry.tensor,) if isinstance(entry.tensor, str) else entry.tensor  # "y of jvp", "d y / d x"
    if not tensors and not entry.says:
        raise wrong("tensor", "is missing; a waiver without it should have `says`")
    return Waiver(
        number=number,
        issue=entry.issue,
        reason=entry.reason,
        expires=entry.expires,
        targets=words("target", needed=True),
        property_name=entry.property,
        tensors=tensors,
        spec=entry.spec,
        cases=words("case"),
        noise_units=entry.noise_units,
        kind=entry.kind,
        says=entry.says,
    )

"""What users ask first, and what the run answers: each question of the suite of that name, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradassay._record import Verdict
from gradassay.views._summary import Summary
from gradassay.views._words import count, grouped, printable, some

SUITE = "questions"
BAD = {"failed": "wrong", "errored": "errored"}  # an outcome, and what the answer of such a target is called
UNSEEN = ("blind", "skipped")


@dataclass(frozen=True)
class Answer:
    """One case's question, and how the targets that were asked did."""

    question: str
    case: str  # as `--case` takes it
    told: str  # right on 12 targets, wrong on 1: torch/native/cpu/float32
    wrong: bool


def answers(summary: Summary) -> list[Answer]:
    """Return the answers to the questions of the suite, in its order; none when the run did not ask it."""
    header = summary.header
    if header is None or SUITE not in header.suites:
        return []
    found = []
    for key, question in header.questions.items():
        spec, suite, case = [*key.split("/", 2), "", ""][:3]
        if suite == SUITE:
            told, wrong = _told(_by_target(summary.verdicts, spec, case))
            found.append(Answer(printable(question), printable(case), told, wrong))
    return found


def _by_target(verdicts: Sequence[Verdict], spec: str, case: str) -> dict[str, list[Verdict]]:
    """Return the verdicts of a case by target; those about every case of a spec (no device, say) are of each."""
    held: dict[str, list[Verdict]] = {}
    for v in verdicts:
        asked = (v.suite, v.case) == (SUITE, case) or not v.case
        if v.spec == spec and asked and not v.against and v.outcome != "not applicable":
            held.setdefault(v.target, []).append(v)
    return held


def _told(by_target: dict[str, list[Verdict]]) -> tuple[str, bool]:
    """`right on 12 targets, in part on 2 (hvp skipped), wrong on 1: torch/native/cpu/float32`."""
    targets: dict[str, list[str]] = {}
    unseen: dict[str, None] = {}
    for target, verdicts in by_target.items():
        answer = _answer(verdicts)
        targets.setdefault(answer, []).append(target)
        if answer == "in part":
            unseen |= dict.fromkeys(f"{v.property} {v.outcome}" for v in verdicts if v.outcome in UNSEEN)
    parts: list[str] = []
    for answer in ("right", "in part", *BAD.values(), *UNSEEN):
        if on := targets.get(answer):
            # The noun stands once, in the first part.
            part = f"{answer} on {f'{len(on):,}' if parts else count(len(on), 'target')}"
            if answer == "in part":
                part += f" ({some([printable(words) for words in unseen], 6)})"
            parts.append(part + (f": {grouped(on)}" if answer in BAD.values() else ""))
    return "; ".join(parts) or "no verdict", any(answer in targets for answer in BAD.values())


def _answer(verdicts: Sequence[Verdict]) -> str:
    """What one target makes of a question: right only when nothing that was asked stayed unseen."""
    outcomes = {v.outcome for v in verdicts}
    for outcome, answer in BAD.items():
        if outcome in outcomes:
            return answer
    if "passed" not in outcomes:
        return next(outcome for outcome in UNSEEN if outcome in outcomes)
    return "in part" if outcomes & set(UNSEEN) else "right"

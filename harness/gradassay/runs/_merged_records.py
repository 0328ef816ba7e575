"""The records of several files as those of one run: each once, and what was found in several shards joined."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gradassay._causes import joined, place
from gradassay._errors import UsageError
from gradassay._ladder import LADDER
from gradassay._record import FAILING, Cause, Drawn, Verdict
from gradassay.runs._part import Part
from gradassay.views._words import printable


def joined_drawn(parts: Sequence[Part]) -> list[Drawn]:
    """Return the data that were asked with, each once.

    Raises:
        UsageError: if two parts asked the same case with other data.
    """
    found: dict[tuple[str, ...], tuple[Drawn, Part]] = {}
    for part in parts:
        for drawn in part.each(Drawn):
            held, other = found.setdefault((drawn.spec, drawn.suite, drawn.case, drawn.dtype), (drawn, part))
            if held.digest != drawn.digest:
                where = printable(f"{drawn.spec}/{drawn.suite}/{drawn.case} in {drawn.dtype}")
                raise UsageError(
                    f"{other.name} and {part.name} have asked {where} with other data: run one of them again"
                )
    return [drawn for drawn, _ in found.values()]


def joined_verdicts(parts: Sequence[Part]) -> list[Verdict]:
    """Return every verdict once.

    Those about a target as a whole (no device, a ladder) stand in every shard; one that fails goes before one that
    does not.

    Raises:
        UsageError: if two parts have asked the same question.
    """
    found: dict[object, tuple[Verdict, Part]] = {}
    for part in parts:
        for number, verdict in enumerate(part.each(Verdict)):
            common = not verdict.case or verdict.property == LADDER
            # Within a part one question may have several verdicts on one tensor.
            key: object = place(verdict) if common else (part.name, number)
            held, _ = found.setdefault(key, (verdict, part))
            if held.outcome not in FAILING and verdict.outcome in FAILING:
                found[key] = (verdict, part)
    asked: dict[object, Part] = {}
    for verdict, part in found.values():
        if verdict.case and verdict.property != LADDER:
            question = (verdict.target, verdict.against, verdict.spec, verdict.suite, verdict.case, verdict.property)
            other = asked.setdefault(question, part)
            if other is not part:
                where = printable(f"{verdict.property} of {verdict.suite}/{verdict.case} on {verdict.target}")
                raise UsageError(f"{other.name} and {part.name} have both asked {where}: they are not parts of one run")
    return [verdict for verdict, _ in found.values()]


def joined_causes(parts: Sequence[Part]) -> list[Cause]:
    """Return the causes; shards that found the same mistake of a backend have found one."""
    joined: list[Cause] = []
    for cause in (cause for part in parts for cause in part.each(Cause)):
        for number, held in enumerate(joined):
            if same := _same(held, cause):
                joined[number] = _one_of(held, cause, same)
                break
        else:
            joined.append(cause)
    return joined


def _same(a: Cause, b: Cause) -> list[str]:
    """The explanations that two causes have in common."""
    if a.backend != b.backend or a.spec != b.spec:
        return []
    return [said for said in (a.sentence, *a.alternatives) if said and said in (b.sentence, *b.alternatives)]


def _one_of(a: Cause, b: Cause, same: Sequence[str]) -> Cause:
    """Return one cause that accounts for what two do: what only one of them allows has been ruled out."""
    best = next((cause for cause in (a, b) if cause.sentence == same[0]), a)
    both = joined(a, b)
    return msgspec.structs.replace(
        best,
        sentence=same[0],
        alternatives=tuple(same[1:]),
        accounts=both.accounts,
        verdicts=both.verdicts,
        seconds=both.seconds,
    )

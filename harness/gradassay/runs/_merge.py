"""Shards of one run, or runs of different targets, put together: what belongs together is joined, all else refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gradassay._backend import FORWARD_ONLY
from gradassay._errors import UsageError
from gradassay._record import Footer, Map, Record, Seconds, Verdict
from gradassay._shard import parse
from gradassay._waivers import Waivers
from gradassay.runs._merged_header import joined_header
from gradassay.runs._merged_records import joined_causes, joined_drawn, joined_verdicts
from gradassay.runs._part import Part
from gradassay.views._words import printable, some


def merge(parts: Sequence[Part], waivers: Waivers | None = None) -> list[Record]:
    """Return one run of several parts: header, records in the order of the targets, footer.

    A shard that is missing, or was stopped, makes the run incomplete, and is named. What only a whole run tells is
    judged anew: targets without a verdict on gradients, and the waivers.

    Raises:
        UsageError: if the parts overlap, or are not of one run: the message names two files, and in what they differ.
    """
    parts = _ordered(parts)
    _check_waivers(parts, waivers)
    return join(parts, _missing(parts), waivers)


def join(parts: Sequence[Part], missing: Sequence[str], waivers: Waivers | None = None) -> list[Record]:
    """Return one run of parts that belong together, in their order.

    Args:
        missing: why it is not all there, in words; nothing, if it is.
    """
    header = joined_header(parts)
    drawn = joined_drawn(parts)
    verdicts = joined_verdicts(parts)
    order = {target: number for number, target in enumerate(header.targets)}
    verdicts.sort(key=lambda verdict: order.get(verdict.target, len(order)))
    maps = [found for part in parts for found in part.each(Map)]
    footer = _footer(parts, verdicts, missing, waivers)
    return [header, *drawn, *verdicts, *maps, *joined_causes(parts), footer]


# --- which parts there are


def _ordered(parts: Sequence[Part]) -> list[Part]:
    """Return the parts in their order, if they can be put together."""
    shards = [part for part in parts if part.header.shard]
    if not shards and len(parts) < 2:
        raise UsageError(
            f"{parts[0].name} is a whole run: name all the shards of a run, or several runs of different targets"
        )
    if not shards:
        for i, part in enumerate(parts):
            for other in parts[:i]:
                if both := [target for target in part.header.targets if target in other.header.targets]:
                    named = some([printable(target) for target in both], 3)
                    raise UsageError(
                        f"{other.name} and {part.name} have both verified {named}: "
                        "merge shards of one run, or runs of different targets"
                    )
        return list(parts)
    if whole := [part for part in parts if not part.header.shard]:
        shard = f"{shards[0].name} is shard {shards[0].header.shard}"
        raise UsageError(f"{shard}, but {whole[0].name} is a whole run: merge the shards of one run alone")
    of = parse(shards[0].header.shard)[1]
    seen: dict[int, Part] = {}
    for part in shards:
        k, n = parse(part.header.shard)
        if n != of:
            told = f"{shards[0].name} is shard {shards[0].header.shard}, and {part.name} is {part.header.shard}"
            raise UsageError(f"{told}: merge shards of one run, all of the same number")
        if k in seen:
            raise UsageError(f"{seen[k].name} and {part.name} are both shard {k}/{n}: leave one of them out")
        seen[k] = part
    return [seen[k] for k in sorted(seen)]


def _missing(parts: Sequence[Part]) -> list[str]:
    """Say which parts of the run are not there, or not all there."""
    found = []
    if parts[0].header.shard:
        here = {parse(part.header.shard)[0] for part in parts}
        of = parse(parts[0].header.shard)[1]
        found = [f"shard {k}/{of} is missing" for k in range(1, of + 1) if k not in here]
    for part in parts:
        if not part.complete:
            what = f"shard {part.header.shard}" if part.header.shard else "a run"
            found.append(f"{what} was stopped before its end: {part.name}; run it again")
    return found


def _check_waivers(parts: Sequence[Part], waivers: Waivers | None) -> None:
    """Whether a waiver is met is told by a whole run: shards leave it to the merge, which needs the file."""
    if not parts[0].header.shard:
        if waivers is not None:
            raise UsageError("these are whole runs, which have judged their waivers: leave --waivers out")
        return
    for part in parts:
        waived = any(verdict.waived for verdict in part.each(Verdict))
        if waivers is None and (waived or re.search(r"(^|\s)--waivers\b", part.header.command)):
            raise UsageError(
                f"{part.name} was run with waivers, which are judged now: add --waivers FILE, the same file"
            )


# --- the footer


def _footer(
    parts: Sequence[Part], verdicts: Sequence[Verdict], missing: Sequence[str], waivers: Waivers | None
) -> Footer:
    footers = [part.footer for part in parts if part.footer is not None]
    wrong = list(missing)
    wrong += dict.fromkeys(reason for footer in footers for reason in footer.wrong)
    if not missing and parts[0].header.shard:
        if "gradients" in parts[0].header.properties:
            wrong += [reason for reason in _unreached(verdicts) if reason not in wrong]
        if waivers is not None:
            # Whether a waiver's question exists is told by each shard; whether it is met, by all of them.
            asked = tuple(w for w in waivers.known if any(w.covers(verdict) for verdict in verdicts))
            wrong += [reason for reason in replace(waivers, known=asked).unmet(verdicts) if reason not in wrong]

    def total(of: Callable[[Footer], float]) -> float:
        return sum(map(of, footers))

    return Footer(
        complete=not missing,
        finished=max((footer.finished for footer in footers), default=""),
        elapsed=total(lambda footer: footer.elapsed),
        seconds=Seconds(
            framework=total(lambda footer: footer.seconds.framework),
            truth=total(lambda footer: footer.seconds.truth),
            noise=total(lambda footer: footer.seconds.noise),
            harness=total(lambda footer: footer.seconds.harness),
        ),
        counts=dict(sorted(Counter("waived" if v.waived else str(v.outcome) for v in verdicts).items())),
        wrong=tuple(wrong),
    )


def _unreached(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Say which targets were asked for gradients and reached no verdict on them in any shard."""
    excused = {(v.target, v.spec) for v in verdicts if v.reason == FORWARD_ONLY}  # a forward pass alone is welcome
    excused |= {(v.target, v.spec) for v in verdicts if not v.property and v.outcome == "skipped"}  # it is not here
    asked = {(v.target, v.spec): None for v in verdicts if v.property == "gradients" or not v.case}
    reached = {(v.target, v.spec) for v in verdicts if v.property == "gradients" and v.outcome in ("passed", "failed")}
    for target, spec in asked:
        if (target, spec) not in reached | excused:
            yield f"{target} reached no verdict on gradients of {spec}"

"""The last line of a run: whether all is well, and if not, why."""

from __future__ import annotations

from gradassay._record import Verdict
from gradassay.views._summary import Summary
from gradassay.views._words import case, count, printable, some, units


def conclusion(summary: Summary) -> str:
    """Return the one line that a run comes to; it begins with `All`, `FAILED` or `INCOMPLETE`."""
    outcomes = summary.outcomes
    passed = outcomes["passed"]
    on = count(summary.reached, "target")
    parts: list[str]
    if summary.well:
        parts = [f"All {count(passed, 'verdict')} passed on {on}" if passed != 1 else f"The one verdict passed on {on}"]
    else:
        parts = [_unwell(summary, on)]
    parts += [f"{outcomes[outcome]:,} {outcome}" for outcome in ("waived", "blind", "skipped") if outcomes[outcome]]
    if summary.worst is not None and summary.well:
        parts.append(f"worst {budget(summary.worst)} noise units ({place_of(summary.worst)})")
    return "; ".join(parts)


def _unwell(summary: Summary, on: str) -> str:
    outcomes = summary.outcomes
    bad = [f"{outcomes[outcome]:,} {outcome}" for outcome in ("failed", "errored") if outcomes[outcome]]
    reached = count(sum(outcomes[outcome] for outcome in ("passed", "failed", "waived", "blind", "errored")), "verdict")
    wrong = some([printable(reason) for reason in summary.wrong], 2)
    said = [f"{' and '.join(bad)} of {reached} on {on}"] if bad else []
    if not summary.complete:
        stopped = f"the run stopped after {count(len(summary.verdicts), 'verdict')}"
        said.append(stopped if bad else f"{stopped}, none wrong")
    elif not bad and outcomes["passed"]:
        said.append(f"{count(outcomes['passed'], 'verdict')} passed on {on}, but")
    if wrong:
        said.append(wrong)
    word = "INCOMPLETE" if not summary.complete and not bad else "FAILED"
    return f"{word}: {'; '.join(said)}".replace("but; ", "but ", 1)


def budget(verdict: Verdict) -> str:
    """`3.1 of 14.2`: the largest |z| of a verdict, and its limit."""
    limit = f" of {units(verdict.limit_max)}" if verdict.limit_max is not None else ""
    return units(verdict.max) + limit


def place_of(verdict: Verdict) -> str:
    """`torch/native/cpu/float32, gradients, weight_hh_l0 in wide/ragged`."""
    parts = (verdict.target, verdict.property, verdict.tensor)
    return f"{', '.join(printable(part) for part in parts if part)} in {case(verdict)}"

"""A failing verdict in words: why, what, got, should be, where, how far, what is still right, and how to replay it."""

from __future__ import annotations

from collections import Counter

from gradassay._record import Cause, Element, Verdict
from gradassay.views._summary import Report
from gradassay.views._words import case, count, grouped, place, printable, several_lines, some, units

OR = 3  # explanations that cannot be told apart from the first
SEEN = 6  # tensors that are said to leave the noise somewhere


def heading(report: Report) -> str:
    """The title of a report: the cause in a sentence where it is known, else the verdict."""
    if report.cause is None or not report.cause.sentence:
        return title(report.worst)
    return f"{printable(report.cause.backend)}: {printable(report.cause.sentence)}"


def title(verdict: Verdict) -> str:
    """`torch/native/cpu/float32: gradients of weight_hh_l0 failed in wide/ragged (lstm)`."""
    subject = _subject(verdict)
    return f"{printable(verdict.target)}: {subject} {verdict.outcome} in {case(verdict)} ({printable(verdict.spec)})"


def _subject(verdict: Verdict) -> str:
    """`gradients of weight_hh_l0`."""
    subject = printable(verdict.property or "everything")
    if verdict.tensor:
        subject += f" of {printable(verdict.tensor)}"
    if verdict.against:
        subject += f" with {printable(verdict.against)}"
    return subject


def explain(report: Report) -> list[tuple[str, str]]:
    """Return (label, text) lines of the worst verdict of a report; a label is empty where a text goes on."""
    verdict, cause = report.worst, report.cause
    lines: list[tuple[str, str]] = []
    if cause is not None:
        lines += _why(cause, verdict)
    if report.question:
        lines.append(("asks", printable(report.question)))
    if verdict.worst is not None:
        lines += _element(verdict, verdict.worst)
    if cause is not None:
        lines += _places(cause, verdict)
    if verdict.max is not None or verdict.rms is not None:
        lines.append(("how far", _distance(verdict)))
    if report.others:
        lines.append(("also wrong", some([_other(other) for other in report.others], 8)))
    if verdict.outcome == "failed":
        right = some([printable(name) for name in verdict.still_right], 12)
        lines.append(("still right", right or "no other tensor of this request"))
    why = several_lines(verdict.reason) or (["no reason was recorded"] if verdict.outcome == "errored" else [])
    lines += [("" if number else "reason", line) for number, line in enumerate(why)]
    if verdict.ran:
        lines.append(("what ran", some([f"{printable(k)}={printable(v)}" for k, v in verdict.ran.items()], 8)))
    if report.alike:
        targets = grouped([alike.target for alike in report.alike])
        cases = len({case(alike) for alike in report.alike})
        more = f"{count(len(report.alike), 'more request')} of {count(cases, 'case')} on {targets}"
        lines.append(("and alike", f"{more}: {_properties(report)}" if cause is not None else more))
    if verdict.replay:
        lines.append(("replay", printable(verdict.replay, longest=10_000)))
    return lines


def _why(cause: Cause, verdict: Verdict) -> list[tuple[str, str]]:
    """What explains the failure and what that leaves over, or that nothing does."""
    lines: list[tuple[str, str]] = []
    if cause.sentence:
        lines.append(("shows in", f"{_subject(verdict)}, in {case(verdict)} on {printable(verdict.target)}"))
        if cause.rms is not None and cause.max is not None:
            before = f", of {units(cause.before)}" if cause.before is not None else ""
            lines.append(("left over", f"{units(cause.rms)} noise units RMS ({units(cause.max)} at most){before}"))
        lines += [("or", f"{printable(other)}: the same here") for other in cause.alternatives[:OR]]
        if more := len(cause.alternatives) - OR:
            lines += [("", f"and {count(more, 'more explanation')} that cannot be told apart")] if more > 0 else []
    elif cause.stopped:
        lines.append(("cause", "not found in the time there was: that for diagnosing was over"))
    else:
        lines.append(
            ("cause", f"unexplained: none of {count(cause.tried, 'hypothesis', 'hypotheses')} gives these numbers")
        )
    return lines + [("" if number else "means", printable(mark)) for number, mark in enumerate(cause.marks)]


def _places(cause: Cause, verdict: Verdict) -> list[tuple[str, str]]:
    """Where the tensor that is shown leaves the noise, and every other one that does so in a part of it alone."""
    own = [printable(cause.places[verdict.tensor])] if verdict.tensor in cause.places else []
    others = {n: p for n, p in cause.places.items() if n != verdict.tensor and "all of it" not in p}
    words = own + [f"{printable(name)}: {printable(where)}" for name, where in others.items()]
    more = [f"and {len(words) - SEEN} more tensors"] if len(words) > SEEN else []
    return [("" if number else "wrong at", said) for number, said in enumerate([*words[:SEEN], *more])]


def _properties(report: Report) -> str:
    """`gradients 12, values 3`: how many requests of each property."""
    names = Counter(v.property for v in report.alike)
    return ", ".join(f"{printable(name)} {number:,}" for name, number in names.most_common(6))


def _element(verdict: Verdict, worst: Element) -> list[tuple[str, str]]:
    got, want = printable(worst.got), printable(worst.want)
    if verdict.against:
        want = f"{want} (that of {printable(verdict.against)})"
    if worst.kind == "structural zero":
        should = "0, exactly: nothing can reach this element"
    else:
        noise = "no finite noise unit" if worst.sigma is None else f"± {worst.sigma:.2g} (one noise unit)"
        should = f"{want} {noise}"
    index = ", ".join(str(position) for position in worst.index)
    where = place(worst.where)
    at = f"{where} (at [{index}])" if where else f"[{index}]"
    lines = [("got", got), ("should be", should)]
    if where or index:  # a scalar has but one place
        name = f"{printable(worst.tensor)}: " if worst.tensor != verdict.tensor else ""
        lines.append(("where", name + at))
    return lines


def _distance(verdict: Verdict) -> str:
    words = []
    if verdict.max is not None:
        limit = f" (limit {units(verdict.limit_max)})" if verdict.limit_max is not None else ""
        words.append(f"{units(verdict.max)} noise units at most{limit}")
    if verdict.rms is not None:
        limit = f" (limit {units(verdict.limit_rms)})" if verdict.limit_rms is not None else ""
        words.append(f"RMS {units(verdict.rms)}{limit}")
    if verdict.elements:
        words.append(count(verdict.elements, "element"))
    return ", ".join(words)


def _other(verdict: Verdict) -> str:
    if verdict.max is not None:
        return f"{printable(verdict.tensor)} ({units(verdict.max)})"
    kind = f" ({verdict.worst.kind})" if verdict.worst is not None else ""
    return printable(verdict.tensor) + kind

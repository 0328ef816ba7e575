"""A failing verdict in words: what, got, should be, where, how far, what is still right, and how to replay it."""

from __future__ import annotations

from gradassay._record import Element, Verdict
from gradassay.views._summary import Cause
from gradassay.views._words import case, count, grouped, place, printable, several_lines, some, units


def title(verdict: Verdict) -> str:
    """`torch/native/cpu/float32: gradients of weight_hh_l0 failed in wide/ragged (lstm)`."""
    subject = printable(verdict.property or "everything")
    if verdict.tensor:
        subject += f" of {printable(verdict.tensor)}"
    if verdict.against:
        subject += f" with {printable(verdict.against)}"
    return f"{printable(verdict.target)}: {subject} {verdict.outcome} in {case(verdict)} ({printable(verdict.spec)})"


def explain(cause: Cause) -> list[tuple[str, str]]:
    """Return (label, text) lines of the worst verdict of a cause; a label is empty where a text goes on."""
    verdict = cause.worst
    lines: list[tuple[str, str]] = []
    if cause.question:
        lines.append(("asks", printable(cause.question)))
    if verdict.worst is not None:
        lines += _element(verdict, verdict.worst)
    if verdict.max is not None or verdict.rms is not None:
        lines.append(("how far", _distance(verdict)))
    if cause.others:
        lines.append(("also wrong", some([_other(other) for other in cause.others], 8)))
    if verdict.outcome == "failed":
        right = some([printable(name) for name in verdict.still_right], 12)
        lines.append(("still right", right or "no other tensor of this request"))
    why = several_lines(verdict.reason) or (["no reason was recorded"] if verdict.outcome == "errored" else [])
    lines += [("" if number else "reason", line) for number, line in enumerate(why)]
    if verdict.ran:
        lines.append(("what ran", some([f"{printable(k)}={printable(v)}" for k, v in verdict.ran.items()], 8)))
    if cause.alike:
        targets = grouped([alike.target for alike in cause.alike])
        cases = len({case(alike) for alike in cause.alike})
        lines.append(("and alike", f"{count(len(cause.alike), 'more request')} of {count(cases, 'case')} on {targets}"))
    if verdict.replay:
        lines.append(("replay", printable(verdict.replay, longest=10_000)))
    return lines


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

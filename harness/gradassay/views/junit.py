"""A run as JUnit XML, for the test page of a CI service: a suite a target, a test a property of a case.

What a test becomes is what a test of `gradassay.conformance` becomes in pytest: failed or errored if any verdict of it
is, skipped if none was reached or a waiver expects what is wrong, passed otherwise. Questions that do not apply are no
tests. The whole run is a test too, which fails for what is no verdict's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gradassay._location import backend_of
from gradassay._record import Record, Verdict
from gradassay.views._conclusion import budget, conclusion
from gradassay.views._explain import explain, heading, title
from gradassay.views._summary import FAILING, WAIVED, Report, Summary, counted, how_bad
from gradassay.views._words import case, count, printable, units

FULL = 500  # failing tests that are explained in full; the others are told in short
LONGEST = 300  # characters of a reason that is one of thousands
WORST_FIRST = ("errored", "failed", WAIVED, "passed", "blind", "skipped")
ELEMENT = {"errored": "error", "failed": "failure", WAIVED: "skipped", "blind": "skipped", "skipped": "skipped"}
FIGURES = "of each tensor in system-out: RMS, and the largest of its limit, in noise units"

Question = tuple[str, ...]


def junit(records: Iterable[Record]) -> str:
    """Return what a run comes to as an XML document."""
    summary = Summary.of(records)
    root = Element("testsuites", name="gradassay")
    suites = [_suite(root, summary, target, questions) for target, questions in _questions(summary).items()]
    suites.append(_whole(root, summary))
    _explain(summary, [one for suite in suites for one in suite])
    for suite in root:
        _count(suite)
    for name in ("tests", "failures", "errors"):  # the schema of Jenkins has no "skipped" here
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{summary.footer.elapsed if summary.footer else 0.0:.3f}")
    ElementTree.indent(root, "")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _questions(summary: Summary) -> dict[str, dict[Question, list[Verdict]]]:
    """Return the verdicts by target and question; those of a property that does not apply are left out."""
    found: dict[str, dict[Question, list[Verdict]]] = {row.target: {} for row in summary.rows}
    for v in summary.verdicts:
        if v.outcome != "not applicable":
            question = (v.spec, v.suite, v.case, v.property, v.against)
            found.setdefault(v.target, {}).setdefault(question, []).append(v)
    return {target: questions for target, questions in found.items() if questions}


Failing = list[tuple[Element, list[Verdict]]]  # elements <failure> and <error> that are to be explained


def _suite(root: Element, summary: Summary, target: str, questions: dict[Question, list[Verdict]]) -> Failing:
    suite = SubElement(root, "testsuite", name=printable(target))
    if summary.header is not None:
        suite.set("timestamp", _time(summary.header.started))
        properties = SubElement(suite, "properties")
        for name, value in summary.header.versions.get(backend_of(target), {}).items():
            SubElement(properties, "property", name=printable(name), value=printable(value))
        SubElement(properties, "property", name="figures", value=FIGURES)
    failing: Failing = []
    for verdicts in questions.values():
        element = SubElement(suite, "testcase", classname=printable(target), name=_name(verdicts[0]))
        element.set("time", f"{sum(v.seconds for v in verdicts):.3f}")
        outcomes = {counted(v) for v in verdicts}
        outcome = next(outcome for outcome in WORST_FIRST if outcome in outcomes)
        if outcome in FAILING:
            wrong = sorted((v for v in verdicts if counted(v) == outcome), key=how_bad, reverse=True)
            failing.append((SubElement(element, ELEMENT[outcome], type=outcome), wrong))
        elif outcome != "passed":
            SubElement(element, "skipped", message=_unseen(outcome, verdicts))
        if told := "; ".join(_figures(verdicts)):
            SubElement(element, "system-out").text = told
    return failing


def _name(verdict: Verdict) -> str:
    """`lstm/wide/ragged-gradients`, as pytest names it."""
    asked = f"{verdict.property} with {verdict.against}" if verdict.against else verdict.property or "everything"
    return f"{printable(verdict.spec)}/{case(verdict)}-{printable(asked)}"


def _unseen(outcome: str, verdicts: Sequence[Verdict]) -> str:
    if outcome == WAIVED:
        return f"known: {', '.join(dict.fromkeys(printable(v.waived) for v in verdicts if v.waived))}"
    reason = next((v.reason for v in verdicts if v.outcome == outcome and v.reason), "no reason given")
    return f"{'blind: ' if outcome == 'blind' else ''}{printable(reason, LONGEST)}"


def _figures(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """`weight_hh_l0 0.9, 3.1 of 14.2` of each tensor with figures; what became of the others, if they did not pass."""
    for v in verdicts:
        figures = f" {units(v.rms)}, {budget(v)}" if v.max is not None else ""
        outcome = "" if v.outcome == "passed" else f" ({counted(v)})"
        if v.tensor and (figures or outcome):
            yield f"{printable(v.tensor)}{figures}{outcome}"


def _whole(root: Element, summary: Summary) -> Failing:
    """The run as a test: it fails when it is not well though no verdict says so, or says more than verdicts do."""
    suite = SubElement(root, "testsuite", name="gradassay")
    element = SubElement(suite, "testcase", classname="gradassay", name="the run as a whole")
    element.set("time", "0.000")
    wrong = [] if summary.complete else [f"the run stopped after {count(len(summary.verdicts), 'verdict')}"]
    wrong += map(printable, summary.wrong)
    if wrong:
        SubElement(element, "failure", type="failed", message=wrong[0]).text = "\n".join(wrong)
    SubElement(element, "system-out").text = conclusion(summary)
    return []


def _explain(summary: Summary, failing: Failing) -> None:
    """Say in every failing test what is wrong: in full as far as there are not too many."""
    shown = {id(report.worst): report for report in summary.reports}
    for number, (element, verdicts) in enumerate(failing):
        worst, others = verdicts[0], tuple(verdicts[1:])
        cause = next((cause for cause in summary.causes if cause.holds(worst)), None)
        # The question that the report of a cause shows has all that is known; others name the cause.
        report = shown.get(id(worst), Report(worst, others, ()))
        message = heading(report) if cause is None else heading(Report(worst, (), (), cause=cause))
        element.set("message", message)
        lines = [title(worst)]
        if cause is not None and cause.sentence and report.cause is None:
            lines.append(f"cause       {printable(cause.backend)}: {printable(cause.sentence)}")
        if number < FULL:
            lines += [f"{label:11} {text}" for label, text in explain(report)]
        else:
            lines += [f"replay      {printable(worst.replay, 10_000)}"]
        element.text = "\n".join(lines)


def _count(suite: Element) -> None:
    """Set the attributes that count the tests of a suite."""
    tests = suite.findall("testcase")
    found = Counter(child.tag for test in tests for child in test)
    suite.set("tests", str(len(tests)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(found[tag]))
    suite.set("time", f"{sum(float(test.get('time', '0')) for test in tests):.3f}")


def _time(started: str) -> str:
    """Return a time of UTC as the schema has it, without a zone."""
    return printable(started[:19])

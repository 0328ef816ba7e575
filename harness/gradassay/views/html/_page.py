"""The page: what the templates show of each run, and the policy that lets nothing in from outside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from gradassay._errors import UsageError
from gradassay.views._conclusion import conclusion
from gradassay.views._explain import explain, heading
from gradassay.views._questions import answers
from gradassay.views._summary import FAILING, Report, Summary, counted
from gradassay.views._words import case, count, grouped, printable, units
from gradassay.views.html import _compare, _facts
from gradassay.views.html._agreed import agreements
from gradassay.views.html._columns import packed
from gradassay.views.html._matrix import in_words, matrix

if TYPE_CHECKING:
    from gradassay.views.pictures import Picture

HERE = Path(__file__).parent
SCRIPTS = ("data", "filter", "matrix", "list", "page")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST = 30  # characters of a target's label that have room in the matrix
SHOWN = 100  # failures that are told in full
UNSEEN = ("waived", "blind", "skipped", "not applicable")


@dataclass(frozen=True)
class Run:
    """One run, and what it is called: the name of its file."""

    name: str
    summary: Summary


def page(runs: Sequence[Run], pictures: Sequence[Picture]) -> str:
    """Return the page as HTML.

    Raises:
        UsageError: if there are no runs, or more than letters to name them.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    if not 1 <= len(runs) <= len(LETTERS):
        raise UsageError(f"a report shows from 1 to {len(LETTERS)} runs, not {len(runs)}")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"printable": printable, "units": units, "case": case}
    script = "'use strict';\n(() => {\n" + "".join(_file(f"script/{name}.js") for name in SCRIPTS) + "})();\n"
    summaries = [run.summary for run in runs]
    shown = [
        _shown(run, letter, pictures=bool(pictures) and run is runs[-1], several=len(runs) > 1)
        for run, letter in zip(runs, LETTERS, strict=False)
    ]
    return environment.get_template("page.html.j2").render(
        title=f"{' / '.join(dict.fromkeys(run['word'] for run in shown))}: {', '.join(run['name'] for run in shown)}",
        policy=_policy(script),
        css=Markup(_file("page.css")),
        script=Markup(script),
        runs=shown,
        comparison=_comparison(shown, summaries) if len(runs) > 1 else None,
        pictures=[
            {"id": p.id, "title": p.title, "words": p.words, "svg": Markup(p.svg), "table": p.table} for p in pictures
        ],
    )


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Nothing from anywhere, and no script but our own, whatever a record may hold."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    allowed = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _shown(run: Run, letter: str, *, pictures: bool, several: bool) -> dict[str, Any]:
    """What the templates show of one run."""
    summary = run.summary
    of = matrix(summary, letter)
    said = conclusion(summary)
    shown: dict[str, Any] = {
        "letter": letter,
        "name": printable(run.name),
        "conclusion": said,
        "state": "well" if summary.well else "incomplete" if said.startswith("INCOMPLETE") else "bad",
        "word": said.partition(":")[0] if not summary.well else "All well",
        "matrix": of,
        "properties": [printable(name) for name in of.properties],
        "width": 2 + len(of.properties) + of.mixed,
        "longest": min(LONGEST, max((len(target.label) for target in of.targets), default=0)),
        "marks": list(in_words(of)),
        "wrong": summary.wrong,
        "failing": _failing(summary),
        "reports": [
            _report(r, number, letter if several else "") for number, r in enumerate(summary.reports[:SHOWN], start=1)
        ],
        "more_reports": max(len(summary.reports) - SHOWN, 0),
        "agreements": agreements(summary, letter),
        "questions": answers(summary),
        "unseen": _unseen(summary),
        "sight": _facts.sight(summary),
        "certified": list(_facts.certified(summary)),
        "spent": _facts.spent(summary),
        "facts": list(_facts.facts(summary)),
        "evidence": {target.name: "" for target in of.targets} | _facts.evidence(summary),
        "packed": packed(summary, of),
    }
    return shown | {"sections": _sections(shown, pictures)}


def _sections(run: Mapping[str, Any], pictures: bool) -> list[tuple[str, str]]:
    """Links to what there is of a run, in the order of the page."""
    letter = run["letter"]
    found = [
        (run["wrong"], "whole", "Wrong as a whole"),
        (run["reports"], "failures", f"What is wrong ({len(run['reports']) + run['more_reports']:,})"),
        (run["agreements"], "agreement", "Can a model be moved?"),
        (pictures, "pictures", "Pictures"),
        (run["questions"], "questions", "Questions"),
        (run["unseen"], "unseen", "What was not seen"),
        (True, "facts", "The run"),
        (run["matrix"].targets, "cells", "Every cell"),
    ]
    anchors = {"pictures": "pictures"}  # which are of all runs
    return [(anchors.get(name, f"{letter}-{name}"), words) for there, name, words in found if there]


def _failing(summary: Summary) -> str:
    failing = sum(summary.outcomes[outcome] for outcome in FAILING)
    on = len({v.target for v in summary.verdicts if counted(v) in FAILING})
    known = f", of {count(len(summary.reports), 'cause')}" if summary.causes else ""
    return f"{count(failing, 'verdict')} on {count(on, 'target')}{known}"


def _report(report: Report, number: int, letter: str) -> dict[str, Any]:
    lines: list[tuple[str, list[str]]] = []
    for label, text in explain(report):
        if label:
            lines.append((label, []))
        lines[-1][1].append(text)
    requests = 1 + len(report.alike)
    return {
        "number": number,
        "heading": heading(report),
        "lines": lines,
        "told": f"{count(requests, 'request')} fail{'s' if requests == 1 else ''} for this reason.",
        "filter": urlencode({"report": number} | ({"run": letter} if letter else {})),
    }


def _unseen(summary: Summary) -> list[tuple[str, str, list[tuple[str, int, str]]]]:
    found = []
    for outcome in UNSEEN:
        if reasons := summary.reasons(outcome):
            told = [(printable(reason), number, grouped(targets)) for reason, number, targets in reasons]
            found.append((outcome, f"{summary.outcomes[outcome]:,}", told))
    return found


def _comparison(shown: Sequence[Mapping[str, Any]], summaries: Sequence[Summary]) -> dict[str, Any]:
    changes = _compare.changes([run["matrix"] for run in shown])
    reached = [change for change in changes if change.reached]
    numbers = [f"{sum(c.kind == kind for c in reached)} {words}" for kind, words in _compare.KINDS.items()]
    told = ", ".join(number for number in numbers if not number.startswith("0 "))
    return {
        "differing": _compare.differing(summaries),
        "verdicts": list(_compare.verdicts(summaries, [run["letter"].upper() for run in shown])),
        "changes": changes,
        "told": f"Of {count(len(reached), 'target')}: {told}." if reached else "No target was reached.",
    }

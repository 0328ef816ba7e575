"""The report of a calibration: Markdown to read, two tables and a summary for machines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gradassay._known import KNOWN_WRONG
from gradassay._limits import RMS_FROM
from gradassay._record import Verdict
from gradassay._tail import LEVEL, RESAMPLES, SHARE
from gradassay._target import DTYPES
from gradassay.views._calibration_summary import summary
from gradassay.views._cells import Cell, Key, cells, comma_separated, dtype, share
from gradassay.views._words import count, printable, seconds

if TYPE_CHECKING:
    from gradassay._calibrate import Calibration

WIDTH = 120  # of a line of prose
NEAREST = 10  # verdicts that came nearest to their limits, told one by one
RUNG = re.compile(r"^(.*)-(\d+)$")  # a case of a ladder over lengths


def files(calibration: Calibration) -> dict[str, str]:
    """Return the files of a report by name."""
    told = summary(calibration)
    by_target = cells(calibration.verdicts, lambda v: (v.spec, v.target, dtype(v), v.property, calibration.regime(v)))
    by_case = cells(calibration.verdicts, lambda v: (v.spec, v.case, calibration.regime(v), dtype(v)))
    return {
        "README.md": _markdown(calibration, told),
        "targets.csv": comma_separated(("spec", "target", "dtype", "property", "regime"), by_target),
        "cases.csv": comma_separated(("spec", "case", "regime", "dtype"), by_case),
        "summary.json": msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n",
    }


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return [f"| {' | '.join(row)} |" for row in (header, rule, *rows)] + [""]


def _prose(text: str) -> list[str]:
    return [*wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _markdown(calibration: Calibration, told: Mapping[str, Any]) -> str:
    lines = [
        "# The calibration of the limits",
        "",
        _conclusion(told),
        "",
        *_prose(
            "Every implementation here is correct, or meant to be: none carries a planted fault. A verdict beyond "
            "the limits would be a false alarm, or a bug that was found. All figures are in noise units; what these "
            "and the limits are, and when a verdict is blind, stands in `docs/verdict.md`."
        ),
        *_run(calibration, told),
        *_counts(told),
        *_tail_section(told),
        *_nearest(calibration),
        *_by_target(calibration),
        *_by_length(calibration),
        *_blind(calibration),
        *_left_out(calibration),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _conclusion(told: Mapping[str, Any]) -> str:
    verdicts = count(told["verdicts"], "verdict")
    largest = told["largest_of_limit"]["max"]
    if told["beyond"]:
        return f"**{told['beyond']:,} of {verdicts} are beyond the limits** (version {told['limits']}), listed below."
    return (
        f"**None of {verdicts} is beyond the limits** (version {told['limits']}); the largest |z| came to "
        f"{largest:.0%} of its limit. {count(told['blind'], 'more verdict')} were blind."
    )


def _run(calibration: Calibration, told: Mapping[str, Any]) -> list[str]:
    machine = told["machine"]
    specs = ", ".join(f"{name} {version}" for name, version in told["specs"].items())
    versions = ", ".join(f"{printable(name)} {printable(version)}" for name, version in told["versions"].items())
    return [
        "## What was run",
        "",
        f"    {told['command']}",
        "",
        *_prose(f"Properties: {', '.join(told['properties'])}."),
        *_prose(
            f"On {told['started'][:10]}, {machine['system']}, Python {machine['python']}; it took "
            f"{seconds(told['seconds'])}. Specs: {specs}. Versions: {versions}."
        ),
        *_prose(
            "`simulated-ORDER` is a spec's own equations with every result rounded to the dtype, sums taken in that "
            "order and each partial sum rounded to the dtype as well (`blas`: products of matrices in float32 at "
            "least)."
        ),
    ]


def _counts(told: Mapping[str, Any]) -> list[str]:
    bound = told["bound"]
    rows = [
        ("verdicts", "a tensor of a property of a case, on a target"),
        ("distinct", "those that do not repeat the figures of another: a final state is also the last output"),
        ("questions", "a case in a dtype, all of its verdicts taken as one"),
    ]
    table = [
        (f"{name}: {what}", f"{told[name]:,}", f"{told['beyond']:,}", f"{bound[name]:.1e}" if bound else "-")
        for name, what in rows
    ]
    return [
        "## How many",
        "",
        *_table(("", "number", "beyond", f"p below, at {LEVEL:.0%}"), table),
        *_prose(
            "With no event in n independent trials, p < 3/n at 95 % confidence. Verdicts are not independent (the "
            "tensors of a case share their data, and targets share a case), so the truth lies between the first row "
            "and the last."
        ),
        *_prose(
            f"Beside these: {told['statements']:,} that hold without a figure (names, shapes, bytes that are the "
            f"same, memory that is not shared), {count(told['blind'], 'blind verdict')}, {told['zero']:,} on elements "
            f"that are all exactly zero (and were answered so), {told['skipped']:,} skipped, "
            f"{told['errored']:,} errored."
        ),
    ]


def _tail_section(told: Mapping[str, Any]) -> list[str]:
    if not told["tails"]:
        return []
    rows = [
        (
            f"{row['figure']}, {row['fit']}",
            f"{row['tail']:,} of {row['values']:,}",
            f"{row['threshold']:.3f}",
            f"{row['scale']:.4f}",
            f"{row['shape']:.3f}" if row["shape"] else "0",
            f"{row['beyond']:.1e}",
            f"{row['low']:.1e} to {row['high']:.1e}",
        )
        for row in told["tails"]
    ]
    header = ("figure, fit", "tail", "threshold", "scale", "shape", "P(beyond the limit)", f"{LEVEL:.0%} interval")
    return [
        "## The tail, extrapolated",
        "",
        *_table(header, rows),
        *_prose(
            f"Fitted to the largest {SHARE:.0%} of each figure as a fraction of its limit: an exponential by maximum "
            "likelihood, a generalised Pareto distribution by probability-weighted moments (of negative shape it "
            f"ends, and 0.0e+00 says that it does so before the limit). Intervals are from {RESAMPLES} bootstrap "
            "samples of whole questions. **The last two columns are extrapolations** into a range where nothing was "
            "seen, and hold for these cases and targets alone; what was counted stands above."
        ),
    ]


def _nearest(calibration: Calibration) -> list[str]:
    """The verdicts nearest to, or beyond, their limits; each question once."""
    seen: dict[Key, Verdict] = {}
    for verdict in sorted(calibration.judged, key=lambda v: -share(v)):
        seen.setdefault((verdict.spec, verdict.case, dtype(verdict), verdict.property), verdict)
    chosen = list(seen.values())[:NEAREST]
    rows = [
        (
            f"{v.target}, {v.spec} {v.case}, {v.property} of {v.tensor}",
            f"{v.elements:,}",
            _units(v.rms),
            _units(v.max),
            "-" if v.limit_max is None else f"{v.limit_max:.1f}",
            f"{share(v):.0%}" if np.isfinite(share(v)) else "-",
        )
        for v in chosen
    ]
    failures = [
        f"* {v.target}, {v.case}, {v.property} of {v.tensor}: {printable(v.reason)}" for v in calibration.beyond
    ]
    return [
        "## Nearest to the limits",
        "",
        *_table(("verdict", "elements", "RMS", "max", "limit", "max of limit"), rows),
        *([*failures, ""] if failures else []),
    ]


def _by_target(calibration: Calibration) -> list[str]:
    found = cells(calibration.verdicts, lambda v: (v.target, calibration.regime(v)))
    targets = list(dict.fromkeys(target for target, _ in found))
    regimes = list(dict.fromkeys(calibration.regimes.values()))
    lines = []
    for title, figure in (("Largest |z|", "max"), ("Largest RMS of a verdict", "rms")):
        rows = [(target, *(_figure(found.get((target, regime)), figure) for regime in regimes)) for target in targets]
        lines += [f"## {title}, by target and regime", "", *_table(("target", *regimes), rows)]
    return [
        *lines,
        *_prose(
            f"The RMS is of verdicts with {RMS_FROM} elements or more; `blind` where every verdict was, `-` where "
            "there was none. By property, with pooled RMS and the number of verdicts: `targets.csv`."
        ),
    ]


def _figure(cell: Cell | None, name: str) -> str:
    if cell is None or not (cell.verdicts or cell.blind):
        return "-"
    if not cell.verdicts:
        return "blind"
    return _units(cell.max if name == "max" else cell.rms)


def _units(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"


def _by_length(calibration: Calibration) -> list[str]:
    rungs = [v for v in calibration.verdicts if RUNG.match(v.case)]
    if not rungs:
        return []
    found = cells(rungs, lambda v: (v.case, dtype(v)))
    rows = [
        (case, *(_rung(found.get((case, name))) for name in DTYPES))
        for case in dict.fromkeys(case for case, _ in found)
    ]
    return [
        "## By length of reductions",
        "",
        *_table(("case", *DTYPES), rows),
        *_prose(
            f"Largest RMS (`-` where no verdict has {RMS_FROM} elements) and largest |z|, over all targets and "
            "tensors, and how many of the verdicts were blind. Every case: `cases.csv`."
        ),
    ]


def _rung(cell: Cell | None) -> str:
    if cell is None or not (cell.verdicts or cell.blind):
        return "-"
    blind = f"{cell.blind} of {cell.blind + cell.verdicts} blind" if cell.blind else ""
    figures = f"{_units(cell.rms)}, {_units(cell.max)}" if cell.verdicts else ""
    return "; ".join(part for part in (figures, blind) if part)


def _blind(calibration: Calibration) -> list[str]:
    found = cells(calibration.verdicts, lambda v: (calibration.regime(v), dtype(v)))
    rows = [
        (regime, *(_share_blind(found.get((regime, name))) for name in DTYPES))
        for regime in dict.fromkeys(calibration.regimes.values())
    ]
    return ["## Blind, by regime", "", *_table(("regime", *DTYPES), rows)]


def _share_blind(cell: Cell | None) -> str:
    total = cell.blind + cell.verdicts if cell else 0
    return f"{cell.blind:,} of {total:,}" if cell and total else "-"


def _left_out(calibration: Calibration) -> list[str]:
    reasons = Counter((v.target.split("/")[0], v.reason) for v in calibration.verdicts if v.outcome == "skipped")
    errors = [
        f"* {v.target}, {v.case}, {v.property}: {printable(v.reason)}"
        for v in calibration.verdicts
        if v.outcome == "errored"
    ]
    rows = [(f"{backend}: {printable(reason)}", f"{number:,}") for (backend, reason), number in reasons.most_common()]
    return [
        "## What this does not show",
        "",
        *_prose(
            "Further modes that compile for every shape, devices that were not here, other models. And that limits "
            "hold for correct implementations says nothing about which faults they see: planted faults do."
        ),
        *(
            f"* {backend} in {dtype_} is known to be wrong, and left out: {finding}"
            for (backend, dtype_), finding in KNOWN_WRONG.items()
        ),
        "",
        *(_table(("skipped", "verdicts"), rows) if rows else []),
        *(["Errored:", "", *errors, ""] if errors else []),
        *(
            ["Could not be asked:", "", *(f"* {printable(message)}" for message in calibration.broken), ""]
            if calibration.broken
            else []
        ),
    ]

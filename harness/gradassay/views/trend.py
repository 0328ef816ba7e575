"""Many runs in order: noise units and time of every target, the steps in them, and what was not compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradassay._location import split
from gradassay.runs._many import Many, changed
from gradassay.runs._shift import FEWEST
from gradassay.runs._steps import SIDE
from gradassay.runs._tracked import Line as Track
from gradassay.runs._tracked import Step, Unfair
from gradassay.runs._trend import History, Trend, turned
from gradassay.views._lines import BAD, HEAD, WELL, Line
from gradassay.views._spark import spark
from gradassay.views._words import count, grouped, printable, seconds, some, units
from gradassay.views.markdown import escape

SHOWN = 10  # of steps
ALSO = 4  # further series of a step
UNFAIR = 8
WIDEST = 20  # bars
FINE = 1.2  # factors below it are written with two places


def lines(many: Many, found: Trend, width: int, *, ascii_only: bool = False) -> Iterator[Line]:
    """Lines of the whole view; the steps come last, beside the line that counts them."""
    yield Line(_title(many), HEAD, 2)
    yield from _notes(many, found)
    for history in found.histories:
        yield Line("")
        yield from _history(many, history, width, ascii_only)
    groups = turned(found.steps)
    if groups:
        yield Line("")
        yield Line("Steps", HEAD)
    for number, group in enumerate(groups[:SHOWN], start=1):
        first, *rest = report(many, found, group)
        yield Line(f"{number:>3}. {first}", BAD if rose(group[0]) else "", 5)
        for label, text in (pair for pair in rest if isinstance(pair, tuple)):
            yield Line(f"     {label:9} {text}", "", 15)
    if len(groups) > SHOWN:
        yield Line(f"     and {count(len(groups) - SHOWN, 'more step')}")
    yield Line("")
    yield Line(conclusion(many, found), WELL if not any(rose(group[0]) for group in groups) else BAD, 2)


def _title(many: Many) -> str:
    started = sorted(run.header.started for run in many.runs)
    between = f", {_day(started[0])} to {_day(started[-1])}" if _day(started[0]) != _day(started[-1]) else ""
    return f"Trend of {count(len(many.runs), 'run')}{between}"


def _day(started: str) -> str:
    return printable(started[:10])


def _name(many: Many, run: int) -> str:
    return printable(many.runs[run].path.name)


def _notes(many: Many, found: Trend) -> Iterator[Line]:
    for copy, of in many.copies:
        yield Line(f"  {printable(copy.name)} is the same run as {printable(of.name)}: counted once", "", 4)
    torn = [printable(run.path.name) for run in many.runs if run.footer is None or not run.footer.complete]
    if torn:
        yield Line(f"  {count(len(torn), 'run')} did not complete: {some(torn, 3)}; what there is, is compared", "", 4)
    for text in unfair(many, found.unfair):
        yield Line(f"  not compared: {text}", "yellow", 4)


def unfair(many: Many, found: Sequence[Unfair]) -> Iterator[str]:
    """What is not compared, and why, each reason once."""
    reasons: dict[tuple[int, str], list[str]] = {}
    for one in found:
        reasons.setdefault((one.run, one.why), []).append(one.target)
    for (run, why), targets in list(reasons.items())[:UNFAIR]:
        yield f"{_name(many, run)} ({grouped(targets)}): {printable(why)}"
    if len(reasons) > UNFAIR:
        yield f"and {count(len(reasons) - UNFAIR, 'more reason')}"


def _history(many: Many, history: History, width: int, ascii_only: bool) -> Iterator[Line]:
    first, last = (many.runs[history.runs[i]].versions(history.backend) for i in (0, -1))
    names = changed(first, last) or ("",)
    moved = ", ".join(
        f"{printable(n)} {printable(first.get(n, 'none'))} to {printable(last.get(n, 'none'))}" for n in names
    )
    same = len({tuple(many.runs[r].versions(history.backend).items()) for r in history.runs}) == 1
    told = "the same versions" if same else moved if names != ("",) else "versions that came and went"
    yield Line(f"{printable(history.backend)}: {count(len(history.runs), 'run')}, {told}", HEAD, 2)
    labels = [printable("/".join(split(track.target)[1])) for track in history.lines]
    wide = max(6, *map(len, labels))
    room = max(4, min(WIDEST, (width - wide - 41) // 2, max(len(t.runs) for t in history.lines)))
    bars = max(room, len("RMS"))
    yield Line(f"  {'target':{wide}} {'runs':>4}  {'RMS':>5} {'':>8} {'max':>5} {'':>8} {'RMS':{bars}} time", HEAD)
    for label, track in zip(labels, history.lines, strict=True):
        low, high = (f"{units(float(track.rms[i]))}" for i in (0, -1))
        low_max, high_max = (f"{units(float(track.max[i]))}" for i in (0, -1))
        drawn = spark([float(v) for v in track.rms], room, ascii_only=ascii_only)
        clock = spark([2.0**v for v in track.speed.tolist()], room, ascii_only=ascii_only)
        figures = f"{low:>5} -> {high:<5} {low_max:>5} -> {high_max:<5}"
        yield Line(f"  {label:{wide}} {len(track.runs):>4}  {figures} {drawn:{bars}} {clock}".rstrip())
    yield from _repeated(history.lines)
    if all(track.cases < FEWEST for track in history.lines):
        yield Line(f"  fewer than {FEWEST} cases: too few to tell larger errors from roundings drawn anew", "yellow", 4)


def _repeated(tracks: Sequence[Track]) -> Iterator[Line]:
    pairs, equal = (sum(track.repeats[i] for track in tracks) for i in (0, 1))
    if not pairs:
        yield Line("  no setting was run twice: that a run repeats bit for bit is not known", "dim", 4)
    elif pairs == equal:
        yield Line(f"  runs of one setting are bit-equal ({pairs:,} of {pairs:,} pairs)", "dim", 4)
    else:
        yield Line(
            f"  runs of one setting differ in {pairs - equal:,} of {pairs:,} pairs: their scatter is in the test",
            "dim",
            4,
        )


def report(many: Many, found: Trend, group: Sequence[Step]) -> list[str | tuple[str, str]]:
    """A step in words: its sentence, then (label, text) pairs."""
    step = group[0]
    told: list[str | tuple[str, str]] = [sentence(many, step)]
    if step.kind in ("rms", "max"):
        name = "RMS" if step.kind == "rms" else "largest |z|"
        told.append(("figures", f"{name} {units(step.before)} -> {units(step.after)}; {_evidence(step)}"))
    elif step.kind == "time":
        told.append(("figures", f"{seconds(step.before)} -> {seconds(step.after)} in all; p = {step.shift.p:.1g}"))
        if _everybody(found, group):
            told.append(("but", "every backend's time steps here: the machine, rather than a version"))
    others = [f"{subject} {what}" for subject, what in _others(group)]
    if others:
        told.append(("also", some(others, ALSO)))
    told.append(("runs", f"{_name(many, step.runs[0])} -> {_name(many, step.runs[1])}"))
    return told


def sentence(many: Many, step: Step) -> str:
    """`torch/native/cpu/float32: gradients of x rose 2.3 times between torch 2.12 and 2.13 (5 runs before, ...)`."""
    before, after = step.counts
    runs = f"({count(before, 'run')} before, {after:,} after)"
    subject = printable(step.subject)
    if step.kind == "outcomes":
        now = "failed" if step.failing else "passed"
        said = f"{count(step.number, 'verdict')} {now} that {'passed' if step.failing else 'failed'} before ({subject})"
        return f"{printable(step.target)}: {said}, {_between(many, step)} {runs}"
    what = {"rms": subject, "max": f"the largest |z| of {subject}", "time": f"time of {subject}"}[step.kind]
    factor = step.shift.factor
    word, times = ("rose", factor) if factor > 1 else ("fell", 1 / factor)
    drift = ", step by step," if step.drift else ""
    rate = f"{times:.1f}" if times >= FINE else f"{times:.2f}"
    return f"{printable(step.target)}: {what} {word} {rate} times{drift} {_between(many, step)} {runs}"


def _between(many: Many, step: Step) -> str:
    """`between keras 3.14.0 and 3.15.1`, or the dates where no version changed."""
    a, b = (many.runs[run] for run in step.runs)
    one, two = a.versions(step.backend), b.versions(step.backend)
    names = changed(one, two)
    if len(names) == 1:
        name = names[0]
        return f"between {printable(name)} {printable(one.get(name, 'none'))} and {printable(two.get(name, 'none'))}"
    if names:
        words = [f"{printable(n)} {printable(one.get(n, 'none'))} -> {printable(two.get(n, 'none'))}" for n in names]
        return f"between {some(words, 3)}, which changed together"
    fields = many.machine_fields()
    if a.machine(fields) != b.machine(fields):
        return f"between two machines, {printable(a.machine(fields))} and {printable(b.machine(fields))}"
    return (
        f"between {printable(a.header.started[:16])} and {printable(b.header.started[:16])}, where no version changed"
    )


def _evidence(step: Step) -> str:
    return f"{count(step.number, 'verdict')} of {count(step.shift.cases, 'case')}; p = {step.shift.p:.1g}"


def _others(group: Sequence[Step]) -> list[tuple[str, str]]:
    """What else stepped there: each subject once, by the target where it did most."""
    first = group[0]
    best: dict[tuple[str, str], Step] = {}
    for step in group:
        if step.subject != first.subject or step.target != first.target:
            best.setdefault((step.kind, step.subject), step)
    told = []
    for step in best.values():
        where = printable("/".join(split(step.target)[1]))
        name = " (largest |z|)" if step.kind == "max" else ""
        what = f"{count(step.number, 'outcome')}" if step.kind == "outcomes" else f"{step.shift.factor:.2g} times{name}"
        told.append((printable(step.subject), f"{what} in {where}"))
    return told


def _everybody(found: Trend, group: Sequence[Step]) -> bool:
    """Whether every backend's time steps at one place: then no backend's version is to blame."""
    backends = {history.backend for history in found.histories}
    here = {step.backend for step in found.steps if step.kind == "time" and step.runs[1] == group[0].runs[1]}
    return len(backends) > 1 and here >= backends


def rose(step: Step) -> bool:
    return step.failing if step.kind == "outcomes" else step.shift.octaves > 0


def conclusion(many: Many, found: Trend) -> str:
    """One line: how many steps, in what, and what could not be told."""
    groups = turned(found.steps)
    noise = sum(group[0].kind != "time" for group in groups)
    time = len(groups) - noise
    compared = {run for history in found.histories for run in history.runs}
    compared |= {run for step in found.steps for run in step.runs}
    if not compared:
        return "Nothing to compare: no two runs were asked the same"
    most = max((len(history.runs) for history in found.histories), default=0)
    few = f"; time needs {2 * SIDE} runs on one machine to tell" if most < 2 * SIDE else ""
    if not groups:
        return f"No step in {count(len(compared), 'run')}{few}"
    parts = [f"{count(n, 'step')} in {what}" for n, what in ((noise, "noise units or outcomes"), (time, "time")) if n]
    return f"{' and '.join(parts)} over {count(len(compared), 'run')}{few}"


def as_markdown(many: Many, found: Trend) -> str:
    """Return the same as Markdown, the conclusion first."""
    parts = [f"## Gradassay: {escape(_title(many))}", "", f"**{escape(conclusion(many, found))}**", ""]
    for number, group in enumerate(turned(found.steps)[:SHOWN], start=1):
        first, *rest = report(many, found, group)
        parts.append(f"{number}. **{escape(str(first))}**")
        parts += [f"   - {pair[0]}: {escape(pair[1])}" for pair in rest if isinstance(pair, tuple)]
    if found.steps:
        parts.append("")
    parts += [f"- {escape(line.text.strip())}" for line in _notes(many, found)]
    for history in found.histories:
        parts += ["", f"### {escape(history.backend)}", "", "| target | runs | RMS | max | RMS over runs | time |"]
        parts.append("| --- | ---: | ---: | ---: | --- | --- |")
        for track in history.lines:
            rms, largest = (f"{units(float(v[0]))} to {units(float(v[-1]))}" for v in (track.rms, track.max))
            bars = spark([float(v) for v in track.rms], WIDEST)
            clock = spark([2.0**v for v in track.speed.tolist()], WIDEST)
            cells = [escape("/".join(split(track.target)[1])), str(len(track.runs)), rms, largest, bars, clock]
            parts.append(f"| {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"

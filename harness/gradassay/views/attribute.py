"""Which axis moved the numbers, in words: failures first, then the strongest effect, then what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradassay.runs._attribute import Account, Confined, Effect, Part, Untold
from gradassay.runs._cells import AXES, Grid, Setting
from gradassay.runs._many import Many, changed, in_order
from gradassay.runs._shift import FEWEST
from gradassay.views._lines import BAD as RED
from gradassay.views._lines import HEAD, WELL, Line
from gradassay.views._words import count, printable, some, units
from gradassay.views.markdown import escape

SHOWN = 6  # of effects, and of parts of one
STILL = 3  # changes of an axis that moved nothing
NEARLY = 0.5  # of the strongest effect of versions: then that of the nearest two is shown
APART = 1.1  # classes whose factors are nearer than this are not worth a line
FINE = 1.2  # factors below it are written with two places
PLURAL = {"versions": "versions", "machine": "machines", "device": "devices", "mode": "modes", "dtype": "dtypes"}


def lines(many: Many, accounts: Sequence[Account]) -> Iterator[Line]:
    """Lines that tell of every backend which axis moved its numbers."""
    yield Line(f"Attribution over {count(len(many.runs), 'run')}", HEAD)
    for copy, of in many.copies:
        yield Line(f"  {printable(str(copy))} is the same run as {printable(str(of))}: counted once", "", 4)
    torn = [printable(run.path.name) for run in many.runs if run.footer is None or not run.footer.complete]
    if torn:
        yield Line(f"  {count(len(torn), 'run')} did not complete: {some(torn, 3)}; what there is, is compared", "", 4)
    for account in accounts:
        yield Line("")
        yield from _account(account)


def _account(account: Account) -> Iterator[Line]:
    grid = account.grid
    tried = ", ".join(count(len(grid.levels(axis)), _one(axis), PLURAL[axis]) for axis in AXES)
    yield Line(f"{printable(grid.backend)}: {tried}", HEAD, 2)
    if account.confined is not None:
        yield Line(f"  {_confined(account.confined)}", RED, 4)
    elif account.failed:
        yield Line(f"  {count(account.failed, 'failure')}, confined to no level of an axis", RED, 4)
    axes = dict.fromkeys(effect.axis for effect in account.effects if effect.moved or effect.turned)
    for number, axis in enumerate(axes, start=1):
        yield from _axis(account, axis, number)
    yield from _still(account)
    for untold in account.untold:
        yield from _untold(grid, untold)
    if not account.effects and not account.untold:
        yield Line("  nothing to attribute: every axis has one level", "dim", 4)
    yield from _repeated(grid)


def _one(axis: str) -> str:
    return "set of versions" if axis == "versions" else axis


def _confined(confined: Confined) -> str:
    where = " and ".join(f"{axis} {printable(level)}" for axis, level in confined.levels.items())
    said = (
        f"all {confined.failed:,} failures are on {where}" if confined.failed > 1 else f"the one failure is on {where}"
    )
    if not confined.elsewhere:
        whose = "their questions were" if confined.failed > 1 else "its question was"
        return f"{said}; {whose} asked nowhere else"
    same = "all of them" if confined.passed == confined.elsewhere else f"{confined.passed:,} of them"
    return f"{said}; elsewhere the same questions reached {count(confined.elsewhere, 'verdict')}, and {same} passed"


def _axis(account: Account, axis: str, number: int) -> Iterator[Line]:
    """The strongest effect of an axis in full, the others in a line."""
    own = [effect for effect in account.effects if effect.axis == axis and (effect.moved or effect.turned)]
    turned, octaves = own[0].strength
    strong = [e for e in own if e.strength[0] == turned and e.strength[1] >= NEARLY * octaves]
    first = min(strong, key=lambda one: _distance(account.grid, one)) if axis == "versions" else strong[0]
    yield from _moved(account, first, number)
    others = [f"{_change(account.grid, other)} {_did(other)}" for other in own if other is not first]
    if others:
        yield _labelled("likewise", some(others, STILL))


def _distance(grid: Grid, effect: Effect) -> tuple[int, int]:
    """How many packages changed, and over how many of their versions at most: the least tells most."""

    def between(name: str) -> int:
        held = sorted({versions.get(name, "") for versions in grid.versions}, key=in_order)
        return abs(held.index(after.get(name, "")) - held.index(before.get(name, "")))

    before, after = grid.versions[effect.before], grid.versions[effect.after]
    return len(effect.packages), max(map(between, effect.packages), default=0)


def _moved(account: Account, effect: Effect, number: int) -> Iterator[Line]:
    grid = account.grid
    said = f"{effect.axis} moved it: {_change(grid, effect)} {_did(effect, _beside(account, effect))}"
    yield Line(f"{number:>3}. {said}", RED if effect.turned else "", 5)
    if effect.axis == "versions" and len(effect.packages) > 1:
        yield from _packages(account, effect)
    for kind in ("dtype", *AXES):
        own = [part for part in effect.parts if part.kind == kind]
        factors = [part.factor for part in own]
        if len(own) > 1 and max(factors) > APART * min(factors):
            words = (f"{printable(part.name)} {part.factor:.2f} times ({part.pairs:,})" for part in own[:SHOWN])
            yield _labelled(PLURAL[kind], ", ".join(words))
    most = _most(effect)
    if most is not None:
        yield _labelled(
            "most", f"{printable(most.name)}: {most.factor:.1f} times (median of {count(most.pairs, 'pair')})"
        )
    if effect.worst is not None:
        question, low, high = effect.worst
        where = f"{question.property} of {question.tensor} in {question.case} ({question.dtype})"
        yield _labelled("at most", f"{printable(where)}: RMS {units(low)} -> {units(high)}")
    if effect.outcomes:
        turns = [f"{count(n, 'pair')} {a} before, {b} after" for (a, b), n in effect.outcomes.most_common(4)]
        yield _labelled("outcomes", "; ".join(turns))


def _labelled(label: str, text: str) -> Line:
    return Line(f"     {label:9} {text}", "", 15)


def _did(effect: Effect, beside: str = "") -> str:
    """`raises gradients of weight_hh_l0 by 2.1 times (median of 212 pairs; versions 1.00 times)`."""
    part = effect.headline
    if part is None:
        return f"changes the outcome of {count(effect.turned, 'pair')}"
    what = {"all": "noise units", "tensor": printable(part.name)}.get(
        part.kind, f"noise units in {printable(part.name)}"
    )
    agrees = (part.factor > 1.0) == part.rises and part.factor != 1.0
    factor = part.factor if agrees else part.shift.factor
    of = f"median of {count(part.pairs, 'pair')}" if agrees else f"mean of {count(part.shift.cases, 'case')}"
    word, times = ("raises", factor) if part.rises else ("lowers", 1 / factor)
    shown = f"{times:.1f}" if times >= FINE else f"{times:.2f}"
    return f"{word} {what} by {shown} times ({of}{beside})"


def _most(effect: Effect) -> Part | None:
    """The property and tensor that moved most, of those that moved beyond roundings drawn anew."""
    own = [part for part in effect.moved if part.kind == "tensor" and part.shift.cases >= FEWEST]
    return max(own, key=lambda part: abs(part.shift.octaves), default=None)


def _change(grid: Grid, effect: Effect) -> str:
    if effect.axis != "versions":
        return (
            f"{printable(grid.label(effect.axis, effect.before))} -> {printable(grid.label(effect.axis, effect.after))}"
        )
    return _packages_changed(grid, effect.before, effect.after)


def _packages_changed(grid: Grid, low: int, high: int) -> str:
    before, after = grid.versions[low], grid.versions[high]
    names = changed(before, after)
    words = [f"{printable(n)} {printable(before.get(n, 'none'))} -> {printable(after.get(n, 'none'))}" for n in names]
    return some(words, 4)


def _beside(account: Account, effect: Effect) -> str:
    """What the other axes did, for comparison: `; versions 1.00 times, devices bit-equal`."""
    others = []
    for axis in AXES:
        own = [other for other in account.effects if other.axis == axis]
        if axis != effect.axis and own:
            most = max(other.size for other in own)
            same = "bit-equal" if not any(other.apart for other in own) else f"{most:.2f} times"
            others.append(f"{PLURAL[axis]} {same}")
    return f"; {', '.join(others)}" if others else ""


def _packages(account: Account, effect: Effect) -> Iterator[Line]:
    """Several packages changed: another pair of runs may tell, or it is said which run would."""
    grid = account.grid
    alone = [e for e in account.effects if e.axis == "versions" and len(e.packages) == 1]
    known = [e for e in alone if e.packages[0] in effect.packages]
    for other in sorted(known, key=lambda one: _distance(grid, one))[:STILL]:
        did = _did(other) if other.moved or other.turned else "changes nothing beyond roundings drawn anew"
        yield _labelled("which", f"{_change(grid, other)} alone {'is bit-equal' if not other.apart else did}")
    open_ = [name for name in effect.packages if name not in {e.packages[0] for e in known}]
    if len(open_) > 1:
        before, after = grid.versions[effect.before], grid.versions[effect.after]
        first = open_[0]
        kept = ", ".join(f"{printable(n)} {printable(before.get(n, 'none'))}" for n in open_[1:4])
        run = f"{printable(first)} {printable(after.get(first, 'none'))} with {kept}"
        names = " and ".join(printable(name) for name in open_[:4])
        yield _labelled("which", f"{names} changed together and cannot be told apart; a run of {run} would tell")


def _still(account: Account) -> Iterator[Line]:
    """The axes that did not move anything, a few lines each."""
    for axis in AXES:
        own = [e for e in account.effects if e.axis == axis and not e.moved and not e.turned]
        own.sort(key=lambda effect: effect.after - effect.before)  # of versions, neighbours first
        for effect in own[:STILL]:
            change, pairs = _change(account.grid, effect), count(effect.whole.pairs, "pair")
            said = f"bit-equal in all {pairs}" if not effect.apart else _larger(effect, pairs)
            yield Line(f"  {axis:9} {change}: {said}", "", 12)
        if len(own) > STILL:
            yield Line(f"  {'':9} and {count(len(own) - STILL, 'more change')} of {axis} that moved nothing")


def _larger(effect: Effect, pairs: str) -> str:
    few = effect.whole.shift.cases < FEWEST
    told = f"too few cases ({effect.whole.shift.cases}) to tell a rise" if few else "other roundings, no larger"
    return f"{told}: {effect.whole.factor:.2f} times (median of {pairs}, {effect.apart:,} not bit-equal)"


def _untold(grid: Grid, untold: Untold) -> Iterator[Line]:
    a, b = untold.seen
    names = " and ".join(untold.axes)
    words = []
    for axis in untold.axes:
        low, high = getattr(a, axis), getattr(b, axis)
        told = (
            _packages_changed(grid, low, high)
            if axis == "versions"
            else f"{printable(grid.label(axis, low))} -> {printable(grid.label(axis, high))}"
        )
        words.append(f"{axis} ({told})")
    yield Line(f"  {names} changed together, and cannot be told apart: {'; '.join(words)}", RED, 4)
    for wanted in untold.wanted[:2]:
        yield Line(f"    would tell: {_run(grid, wanted)}", "", 6)


def _run(grid: Grid, setting: Setting) -> str:
    """The run that a setting is."""
    target = "/".join([grid.backend, grid.label("mode", setting.mode), grid.label("device", setting.device)])
    versions = f" with {printable(grid.label('versions', setting.versions))}" if len(grid.versions) > 1 else ""
    machine = f" on {printable(grid.label('machine', setting.machine))}" if len(grid.machines) > 1 else ""
    return f"gradassay verify {printable(target)}{versions}{machine}"


def _repeated(grid: Grid) -> Iterator[Line]:
    pairs, both, apart = grid.repeats
    if not pairs:
        said = "no setting was run twice: that a run repeats bit for bit is not known"
    elif not apart:
        said = f"{count(pairs, 'pair')} of runs with nothing changed: all {both:,} figures bit-equal"
    else:
        said = (
            f"{count(pairs, 'pair')} of runs with nothing changed: {apart:,} of {both:,} figures differ, "
            f"by {grid.scatter:.2f} times at the median"
        )
    yield Line(f"  {'repeats':9} {said}", WELL if pairs and not apart else "", 12)


def as_markdown(many: Many, accounts: Sequence[Account]) -> str:
    """Return the same as Markdown: a list of each backend."""
    parts = ["## Gradassay: attribution", ""]
    for line in lines(many, accounts):
        text = escape(line.text.strip())
        indented = len(line.text) - len(line.text.lstrip())
        if not text:
            parts.append("")
        elif line.style == HEAD:
            parts += [f"### {text}", ""]
        else:
            parts.append(f"{'  ' if indented > 4 else ''}- {text}")
    return "\n".join(parts) + "\n"

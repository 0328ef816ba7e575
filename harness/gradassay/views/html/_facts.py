"""What a run was: when, where, what was asked, what it could have seen, how its truth was certified, its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

from gradassay.views._summary import Summary
from gradassay.views._words import count, printable, seconds, some

VARIED = 3  # different values of a piece of evidence on one target, from which on it is not told


def facts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield (name, words) of the run as a whole; what an older run did not write down is left out."""
    header, footer = summary.header, summary.footer
    if header is None:
        yield "header", "none: this is a part of a run"
        return
    yield "started", printable(header.started)
    if footer is None:
        yield "finished", "it did not: there is no footer"
    else:
        yield "finished", f"{printable(footer.finished)}, after {seconds(footer.elapsed)}"
    told = {
        "command": header.command,
        "gradassay": header.gradassay,
        "commit": header.commit,
        "suites": some(list(header.suites), 20),
        "cases": some(list(header.cases), 20),
        "sweep": "yes: the slow modes and suites too" if header.sweep else "",
        "part": header.shard,
        "specs": ", ".join(f"{name} {version}" for name, version in header.specs.items()),
        "limits": f"version {header.limits}",
        "asked": f"{count(len(header.properties), 'property', 'properties')} of {count(len(header.targets), 'target')}",
        **{name: value for name, value in header.machine.items()},
        "format": f"{header.format}",
    }
    yield from ((printable(name), printable(text, longest=10_000)) for name, text in told.items() if text)
    for backend, versions in header.versions.items():
        words = ", ".join(f"{printable(name)} {printable(version)}" for name, version in versions.items())
        yield f"versions of {printable(backend)}", words or "none told"


def certified(summary: Summary) -> Iterator[tuple[str, str]]:
    """How fair the judge was: the rungs of the reference, and the largest radius left, in noise units."""
    truths = [(v.truth, v) for v in summary.verdicts if v.truth is not None]
    if not truths:
        return
    rungs = Counter((truth.rung, truth.bits) for truth, _ in truths)
    words = (
        f"{count(number, 'verdict')} {printable(rung)}{f' of {bits} bits' if bits else ''}"
        for (rung, bits), number in rungs.most_common()
    )
    yield "truth", "; ".join(words)
    radii = [truth.radius for truth, _ in truths if truth.radius is not None]
    if radii:
        yield "radius", f"the truth is enclosed to {max(radii):.2g} noise units or better"
    if summary.drawn:
        cases = len({(d.spec, d.suite, d.case) for d in summary.drawn})
        yield "data", f"{count(cases, 'case')}, each with a hash of every bit of its data, in each dtype"


def sight(summary: Summary) -> list[tuple[str, str, str, str]]:
    """Return (dtype, verdicts, whole tensor, one element): the smallest relative errors that would have failed."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for v in summary.verdicts:
        if v.outcome == "passed" and v.visible_whole and v.visible_element:
            seen.setdefault(v.target.rpartition("/")[2], []).append((v.visible_whole, v.visible_element))
    return [
        (printable(dtype), f"{len(own):,}", f"{median(w for w, _ in own):.1e}", f"{median(e for _, e in own):.1e}")
        for dtype, own in seen.items()
    ]


def spent(summary: Summary) -> list[tuple[str, str]]:
    if summary.footer is None:
        return []
    time = summary.footer.seconds
    parts = {
        "in all": summary.footer.elapsed,
        "frameworks": time.framework,
        "truth": time.truth,
        "noise": time.noise,
        "harness": time.harness,
    }
    return [(name, seconds(value)) for name, value in parts.items()]


def evidence(summary: Summary) -> dict[str, str]:
    """Return what really ran on each target: `kernel=native, executed=as written`, without what differs by case."""
    found: dict[str, dict[str, set[str]]] = {}
    for v in summary.verdicts:
        for name, value in v.ran.items():
            found.setdefault(v.target, {}).setdefault(name, set()).add(value)
    return {
        target: ", ".join(
            f"{printable(name)}={' or '.join(map(printable, sorted(values)))}"
            for name, values in sorted(evidence.items())
            if len(values) < VARIED
        )
        for target, evidence in found.items()
    }

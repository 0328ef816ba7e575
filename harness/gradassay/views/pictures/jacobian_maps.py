"""What depends on what: Jacobians in blocks, steps of the output by steps of the input: truth, answer, and noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gradassay._limits import RMS_LIMIT
from gradassay._location import backend_of
from gradassay.views._summary import Summary
from gradassay.views._words import count, printable, some, units
from gradassay.views.pictures._blocks import Blocks
from gradassay.views.pictures._grids import panel
from gradassay.views.pictures._groups import dtype_of
from gradassay.views.pictures._picture import Picture, absent, told
from gradassay.views.pictures._runs import headed, headings, table
from gradassay.views.pictures._style import PANELS
from gradassay.views.pictures._svg import panels

ORDER = 30
ID, TITLE = "jacobian-maps", "Which input steps each output step depends on"
GRIDS = ("truth by input step", "answer by input step", "noise units by input step")
HEAD = ("target", "Jacobian", "case", "output step", *GRIDS)
PREFERRED = "float32"


def picture(summaries: Sequence[Summary]) -> Picture:
    """Return a panel for each backend and run: the truth, what was answered, and how far apart they are."""
    runs = [_chosen(summary) for summary in summaries]
    if not any(runs):
        return absent(ID, TITLE, _why(summaries))
    heads = headings(summaries)
    backends = dict.fromkeys(backend_of(blocks.map.target) for chosen in runs for blocks in chosen)
    figures = [
        [
            (f"{blocks.name} on {blocks.map.target}{f', {head}' if head else ''}", panel(blocks, head))
            for head, chosen in zip(heads, runs, strict=True)
            for blocks in chosen
            if backend_of(blocks.map.target) == backend
        ]
        for backend in list(backends)[:PANELS]
    ]
    words = [headed(_words(chosen), head) for chosen, head in zip(runs, heads, strict=True)]
    rows = ([row for blocks in chosen for row in _rows(blocks)] for chosen in runs)
    return Picture(ID, TITLE, " ".join(words), panels(ID, figures), table(HEAD, heads, rows))


def _why(summaries: Sequence[Summary]) -> str:
    if any(summary.header is not None and summary.header.format < 3 for summary in summaries):
        return "Runs of format 1 and 2 hold no Jacobians by steps: verify again to see them."
    if any(summary.maps for summary in summaries):
        return "The maps of this run are malformed: the grids of each should be of one size."
    return "No target answered a Jacobian of an output by steps with respect to an input by steps."


def _chosen(summary: Summary) -> list[Blocks]:
    """Return one map for each backend: one that is wrong, or else of the question that most were asked, in float32."""
    asked = Counter((m.suite, m.case, m.of, m.wrt) for m in summary.maps)
    held: dict[str, Blocks] = {}

    def rank(blocks: Blocks) -> tuple[bool, float, int, bool]:
        m = blocks.map
        often = asked[m.suite, m.case, m.of, m.wrt]
        return bool(blocks.wrong), blocks.largest if blocks.wrong else 0.0, often, dtype_of(m.target) == PREFERRED

    for found in summary.maps:
        blocks = Blocks.of(found)
        if blocks is None:
            continue  # its record is not what a run writes: `_why` says so where there is no other
        backend = backend_of(found.target)
        if backend not in held or rank(blocks) > rank(held[backend]):
            held[backend] = blocks
    return list(held.values())


def _words(chosen: Sequence[Blocks]) -> str:
    """Whose Jacobian is wrong, and where; or that none is, and how close."""
    if not chosen:
        return "No Jacobian by steps."
    causal = [blocks for blocks in chosen if blocks.count["zero"]]
    wrong = sorted((blocks for blocks in chosen if blocks.wrong), key=lambda blocks: -blocks.wrong)
    if wrong:
        return " ".join(_accused(blocks) for blocks in wrong[:3]) + (
            f" So are {count(len(wrong) - 3, 'more backend')}." if len(wrong) > 3 else ""
        )
    furthest = max(chosen, key=lambda blocks: blocks.largest)
    said = f"The Jacobians of {count(len(chosen), 'backend')} are within noise in every block: "
    said += f"{units(furthest.largest)} noise units at most, on {printable(furthest.map.target, 60)}."
    if causal:
        said += " Blocks that should be exactly 0, the empty ones, are."
    return said


def _accused(blocks: Blocks) -> str:
    all_ = sum(blocks.count.values())
    parts = []
    if number := blocks.count["beyond"]:
        far = max(f for row in blocks.apart for f in row if f is not None)
        parts.append(f"{number:,} beyond {RMS_LIMIT:g} noise units RMS, up to {units(far)}")
    if number := blocks.count["leak"]:
        parts.append(f"{number:,} not 0, which should be exactly that")
    if number := blocks.count["not finite"]:
        parts.append(f"{number:,} not finite")
    target, name = printable(blocks.map.target, 60), printable(blocks.name, 40)
    return f"{target}: of {count(all_, 'block')} of {name}, {some(parts, 3)}; {_where(blocks)}."


def _where(blocks: Blocks) -> str:
    """Where blocks are wrong: steps, of which the first is 0."""
    places = blocks.places("beyond", "leak", "not finite")
    sizes = len(blocks.map.truth), len(blocks.map.truth[0])
    words = []
    for name, axis in (("output", 0), ("input", 1)):
        steps = [place[axis] * blocks.span[axis] for place in places]
        last = min(max(steps) + blocks.span[axis], sizes[axis]) - 1
        words.append(f"{name} steps {min(steps)} to {last}" if last > min(steps) else f"{name} step {last}")
    return ", ".join(words)


def _rows(blocks: Blocks) -> Iterator[tuple[str, ...]]:
    names = printable(blocks.map.target, 80), printable(blocks.name, 80), printable(blocks.map.case, 80)
    for row in range(len(blocks.truth)):
        grids = (" ".join(_cell(f) for f in grid[row]) for grid in (blocks.truth, blocks.got, blocks.apart))
        yield *names, str(row * blocks.span[0]), *grids


def _cell(figure: float | None) -> str:
    return "-" if figure is None else told(figure)

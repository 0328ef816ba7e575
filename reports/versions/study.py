"""The tables of this page, from the runs beside it: one a version of a framework, all of the same questions.

python -m reports.versions.study                 # writes them into README.md
python -m reports.versions.study --check         # ends with 1 if they are not what the runs say
python -m reports.versions.study --keep jax-0.9.2.jsonl ...   # puts new runs here, without what no table needs
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

from gradassay._record import Drawn, Footer, Header, Record, Verdict
from gradassay.views.pictures._groups import DTYPES, dtype_of, group_of
from reports._pages import bare, filled, headed, put, question, read, store, table, told

HERE = Path(__file__).parent
ORDINARY = ("passed", "failed")


@cache
def runs() -> dict[str, list[Record]]:
    """By name: `jax-0.9.2`, from old to new."""
    paths = sorted(HERE.glob("*.jsonl.xz"), key=lambda path: _order(path.name.removesuffix(".jsonl.xz")))
    return {path.name.removesuffix(".jsonl.xz"): list(read(path)) for path in paths}


def _order(name: str) -> tuple[str, tuple[int, ...]]:
    framework, _, version = name.partition("-")
    return framework, tuple(int(part) for part in version.replace("-on-", ".").split("."))


@cache
def verdicts(name: str) -> dict[tuple[str, tuple[str, str, str]], Verdict]:
    return {(v.target, question(v)): v for v in runs()[name] if isinstance(v, Verdict)}


def names(framework: str) -> list[str]:
    return [name for name in runs() if name.startswith(f"{framework}-")]


def typical(name: str, group: str, dtype: str, property: str) -> float | None:
    found = [
        v.rms
        for v in verdicts(name).values()
        if v.property == property
        and (group_of(v.target), dtype_of(v.target)) == (group, dtype)
        and v.outcome in ORDINARY
        and v.limit_rms is not None
        and v.rms is not None
    ]
    return median(found) if found else None


def groups(framework: str) -> list[str]:
    return list(dict.fromkeys(group_of(v.target) for name in names(framework) for v in verdicts(name).values()))


def accuracy(framework: str) -> str:
    """Median noise of gradients by version and dtype, and what failed."""
    rows = []
    for name in names(framework):
        for group in groups(framework):
            mine = [v for v in verdicts(name).values() if group_of(v.target) == group]
            if mine:
                cells = [told(typical(name, group, dtype, "gradients")) for dtype in DTYPES]
                failed = str(sum(v.outcome not in ("passed", "blind") for v in mine))
                rows.append([_row(name, group, framework), *cells, f"{len(mine):,}", failed])
    return table([f"{TITLES[framework]}, median RMS of gradients", *DTYPES, "verdicts", "failed"], rows)


def changes(framework: str) -> str:
    """From each version to the next: which share of the figures is another, and by how much."""
    rows = []
    for old, new in steps(framework):
        for group in groups(framework):
            cells = [change(old, new, group, dtype) for dtype in DTYPES]
            if set(cells) != {"-"}:
                rows.append([f"{_row(old, '', framework)} to {_row(new, group, framework)}", *cells])
    return table([f"{TITLES[framework]}, what changed", *DTYPES], rows)


def _row(name: str, group: str, framework: str) -> str:
    number = said(name).removeprefix(f"{TITLES[framework]} ")
    return f"{number}, {group}" if group and len(groups(framework)) > 1 else number


def steps(framework: str) -> list[tuple[str, str]]:
    """From a version to the next; of Keras, whose versions need several of TensorFlow, to the newest on the same."""
    if framework != "keras":
        return list(pairwise(names(framework)))
    return [(name, f"tensorflow-{name.partition('-on-')[2]}") for name in names("keras")]  # which has Keras 3.15.1


def change(old: str, new: str, group: str, dtype: str) -> str:
    """`31%, ×0.98 (×0.56 to ×1.74)`: figures that changed, and the ratio of these: its median, and its range."""
    both = verdicts(old).keys() & verdicts(new).keys()
    pairs = [
        (verdicts(old)[key], verdicts(new)[key])
        for key in both
        if (group_of(key[0]), dtype_of(key[0])) == (group, dtype) and key[1][1] in ("values", "gradients", "jvp", "hvp")
    ]
    pairs = [(a, b) for a, b in pairs if a.rms is not None and b.rms is not None and a.limit_rms is not None]
    if not pairs:
        return "-"
    moved = [(b.rms or 0) / a.rms for a, b in pairs if (a.rms, a.max) != (b.rms, b.max) and a.rms]
    if not moved:
        return "none"
    share = 100 * len(moved) / len(pairs)
    return f"{share:.0f}%: ×{median(moved):.2f} (×{min(moved):.2f} to ×{max(moved):.2f})"


def said(name: str) -> str:
    framework, _, version = name.partition("-")
    keras = " with Keras 3.15.1" if framework == "tensorflow" else ""
    return f"{TITLES[framework]} {version.replace('-on-', ' on TensorFlow ')}{keras}"


def forwards() -> str:
    """Where the outputs of the forward pass alone are not, bit for bit, those of the one that prepares a gradient."""
    rows = []
    for name in names("jax"):
        held = verdicts(name)
        cells = []
        for dtype in DTYPES:
            asked = {key[1][0] for key in held if dtype_of(key[0]) == dtype}
            other = {k[1][0] for k in held if dtype_of(k[0]) == dtype and k[1][2].endswith(" of vjp")}
            cells.append(f"{len(other)} of {len(asked)}" if asked else "-")
        rows.append([name.removeprefix("jax-"), *cells])
    return table(["JAX, cases whose two forward passes differ", *DTYPES], rows)


def parts(framework: str) -> str:
    """What changed of the parts: a version that gives other bits than the one before it, and how far from exact."""
    with (HERE / "parts.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["framework"] == framework]
    lines.sort(key=lambda line: _order(f"{framework}-{line['version']}"))
    rows = []
    for part, dtype in dict.fromkeys((line["part"], line["dtype"]) for line in lines):
        own = [line for line in lines if (line["part"], line["dtype"]) == (part, dtype)]
        new = [b for a, b in pairwise([{"bits": ""}, *own]) if a["bits"] != b["bits"]]
        told = [f"{line['version']}: {line['rms']}, {line['largest']}" for line in new]
        rows.append([f"{part}, {dtype}", "; ".join(told)])
    return table([f"{TITLES[framework]}, part", "first version with these bits: RMS error, largest"], rows)


TITLES = {"jax": "JAX", "numpy": "NumPy", "tensorflow": "TensorFlow", "keras": "Keras"}


def tables() -> dict[str, str]:
    made = {"forwards": forwards()}
    for framework in dict.fromkeys(name.partition("-")[0] for name in runs()):
        made |= {f"{framework}-accuracy": accuracy(framework), f"{framework}-changes": changes(framework)}
    return made | {f"{framework}-parts": parts(framework) for framework in ("jax", "tensorflow", "numpy")}


def slim(records: Iterable[Record]) -> Iterator[Record]:
    """Leave out what no table reads. Four digits: noise, the ruler, is itself computed by NumPy, and moves by less."""
    for r in records:
        if isinstance(r, Verdict):
            yield bare(r)
        elif isinstance(r, Header):
            yield headed(r)
        elif isinstance(r, (Footer, Drawn)):
            yield r


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not as the runs say")
    parser.add_argument("--keep", nargs="+", type=Path, default=(), metavar="RUN.jsonl", help="runs to put here")
    given = parser.parse_args(arguments)
    for path in given.keep:
        store(HERE / f"{path.name.removesuffix('.jsonl')}.jsonl.xz", slim(read(path)))
    page = HERE / "README.md"
    put({page: filled(page.read_text(encoding="utf-8"), tables())}, check=given.check)


if __name__ == "__main__":
    main()

"""The tables and pictures of this page, from the runs beside it.

python -m reports.accuracy.study                 # writes them into README.md and the SVG files
python -m reports.accuracy.study --check         # ends with 1 if they are not what the runs say
python -m reports.accuracy.study --keep RUN.jsonl ...   # puts new runs here, without what no table needs
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, median

from gradassay._record import Drawn, Footer, Header, Record, Verdict
from gradassay.views._summary import Summary
from gradassay.views._words import seconds
from gradassay.views.pictures import league, steps
from gradassay.views.pictures._groups import DTYPES, dtype_of, group_of
from reports._pages import bare, digits, filled, headed, light, put, question, read, store, table, told

HERE = Path(__file__).parent
MAIN = ("numpy/eager", "torch/native", "torch/onednn", "torch-cell/eager", "tensorflow/eager", "tensorflow-loop/eager")
MAIN = (*MAIN, "jax/jit")
SHAPES = ("middle", "long", "stacked")
KINDS = ("x", "h0", "c0", "weight_ih", "weight_hh", "bias")
EXCHANGED = {"own": "its own", "rounded": "correctly rounded"}
Key = Callable[[Verdict], str]


# --- what was measured


@cache
def runs() -> dict[str, list[Record]]:
    return {path.name.removesuffix(".jsonl.xz"): list(read(path)) for path in sorted(HERE.glob("*.jsonl.xz"))}


@cache
def verdicts() -> list[Verdict]:
    """What has a figure. A final state is the last output of a plain layer: it is left out where outputs are pooled."""
    found = [r for records in runs().values() for r in records if isinstance(r, Verdict)]
    return [v for v in found if v.outcome in ("passed", "failed") and v.rms is not None and v.limit_rms is not None]


def of(*properties: str, dtype: str = "", shape: str = "", groups: Sequence[str] = MAIN) -> list[Verdict]:
    """Return the verdicts of properties, in a dtype, on cases of one shape, of some groups of targets."""
    return [
        v
        for v in verdicts()
        if v.property in properties
        and dtype in ("", dtype_of(v.target))
        and v.case.startswith(shape)
        and group_of(v.target) in groups
    ]


def by(found: Iterable[Verdict], *keys: Key) -> dict[tuple[str, ...], list[Verdict]]:
    held: defaultdict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for v in found:
        held[tuple(key(v) for key in keys)].append(v)
    return held


def typical(found: Iterable[Verdict]) -> float | None:
    figures = [v.rms for v in found if v.rms is not None]
    return median(figures) if figures else None


def group(v: Verdict) -> str:
    return group_of(v.target)


def dtype(v: Verdict) -> str:
    return dtype_of(v.target)


def shape(v: Verdict) -> str:
    return v.case.partition("-")[0]


def regime(v: Verdict) -> str:
    return v.case.partition("-")[2]


def kind(v: Verdict) -> str:
    """`weight_hh` of `weight_hh_l1_reverse`."""
    name = v.tensor.partition("_l")[0]
    return "bias" if name.startswith("bias") else name


# --- tables


def standings() -> str:
    """Who is how far from the truth: gradients, over all cases that a target was asked."""
    held = by(of("gradients"), group, dtype)

    def cell(found: Sequence[Verdict]) -> str:
        if not found:
            return "-"
        figures = sorted(v.rms or 0.0 for v in found)
        return f"{told(median(figures))} ({told(figures[round(0.95 * (len(figures) - 1))])})"

    rows = [[name, *(cell(held.get((name, d), [])) for d in DTYPES)] for name in MAIN]
    return table(["median RMS (19 of 20 are below)", *DTYPES], rows)


def duels() -> str:
    """Question by question: in how many is the target at the left noisier than the one above."""
    rows = []
    for one in MAIN:
        cells = []
        for other in MAIN:
            pairs = list(paired(of("gradients", dtype="float32"), one, other))
            louder = sum(a > b for a, b in pairs)
            cells.append(f"{100 * louder / len(pairs):.0f}%" if pairs and one != other else "")
        rows.append([one, *cells])
    return table(["float32", *MAIN], rows)


def paired(found: Iterable[Verdict], one: str, other: str) -> Iterator[tuple[float, float]]:
    """Yield the RMS of two groups of targets in the same questions."""
    held = {(group(v), dtype(v), question(v)): v.rms for v in found}
    for (name, d, asked), rms in held.items():
        if name == one and rms is not None and (their := held.get((other, d, asked))) is not None:
            yield rms, their


def tensors() -> str:
    held = by(of("gradients", dtype="float32"), group, kind)
    rows = [[name, *(told(typical(held.get((name, k), []))) for k in KINDS)] for name in MAIN]
    return table(["float32, median RMS of the gradient of", *KINDS], rows)


def regimes() -> str:
    held = by(of("gradients", dtype="float32"), regime, group)
    names = list(dict.fromkeys(regime(v) for v in of("gradients")))
    rows = [[r, *(told(typical(held.get((r, name), []))) for name in MAIN)] for r in names]
    return table(["float32, median RMS in", *MAIN], rows)


def shapes() -> str:
    held = by(of("gradients"), group, dtype, shape)
    columns = [(d, s) for d in ("float64", "float32") for s in SHAPES]
    rows = [[name, *(told(typical(held.get((name, d, s), []))) for d, s in columns)] for name in MAIN]
    return table(["median RMS of gradients", *(f"{d}, {s}" for d, s in columns)], rows)


def derivatives() -> str:
    """Outputs, gradients, tangents and second derivatives, on the cases where everyone was asked all four."""
    names = ("values", "gradients", "jvp", "hvp")
    rows = []
    for d in ("float64", "float32"):
        held = by(of(*names, dtype=d, shape="stacked"), group, lambda v: v.property)
        rows += [[f"{name}/{d}", *(told(typical(held.get((name, p), []))) for p in names)] for name in MAIN]
    return table(["median RMS", *names], [row for row in rows if set(row[1:]) != {"-"}])


def along(tensor: str, property: str) -> str:
    """How the noise goes along 40 steps: the mean over five of them, over all regimes, in float32."""
    rows = []
    for name in MAIN:
        lines = [
            v.along["step"]
            for v in of(property, dtype="float32", shape="long", groups=(name,))
            if v.tensor == tensor and "step" in v.along
        ]
        if lines:
            means = [median([f for line in lines if (f := line[step]) is not None]) for step in range(len(lines[0]))]
            rows.append([name, *(told(fmean(means[at : at + 5])) for at in range(0, len(means), 5))])
    places = [f"{at + 1} to {at + 5}" for at in range(0, 40, 5)]
    return table([f"float32, {property} of {tensor}, steps", *places], rows)


def modes() -> str:
    """Each mode beside the plain one of its backend, on the same questions."""
    everyone = list(dict.fromkeys(group(v) for v in verdicts() if v.property == "gradients"))
    plain = {name.partition("/")[0]: name for name in ("torch/native", *MAIN[3:])}
    rows = []
    for name in everyone:
        base = plain.get(name.partition("/")[0], name)
        if name == base:
            continue
        cells = []
        for d in DTYPES:
            found = of("values", "gradients", dtype=d, groups=(name, base))
            pairs = list(paired(found, name, base))
            same = sum(a == b for a, b in pairs)
            ratio = median(a / b for a, b in pairs if b) if pairs else None
            cells.append(f"{told(ratio)} ({100 * same / len(pairs):.0f}%)" if ratio is not None else "-")
        rows.append([f"{name} by {base}", *cells])
    return table(["median ratio of RMS (the same figure)", *DTYPES], rows)


def exchanged() -> str:
    """The same program with other activations, beside the plain ones, on the same questions."""
    asked = [v for v in verdicts() if "exchanged.py" in v.target]
    rows = []
    for name, said in EXCHANGED.items():
        own = [v for v in asked if v.target.split(":")[1].startswith(f"{name}/")]
        rows.append([f"TensorFlow with {said} sigmoid and tanh", *_exchanged(own)])
    for name in ("tensorflow-loop/eager", "torch/native", "numpy/eager"):
        rows.append([name, *_exchanged(of("values", "gradients", shape="middle", groups=(name,)))])
    heads = ["outputs, float64", "gradients", "outputs, float32", "gradients", "of c0", "in `positive`"]
    return table(["median RMS", *heads], rows)


def _exchanged(found: Sequence[Verdict]) -> list[str]:
    held = by(found, dtype, lambda v: v.property)
    gradients = held["float32", "gradients"]
    parts = [held[d, p] for d in ("float64", "float32") for p in ("values", "gradients")]
    parts += [[v for v in gradients if v.tensor == "c0"], [v for v in gradients if regime(v) == "positive"]]
    return [told(typical(part)) for part in parts]


def extremes() -> str:
    """The farthest element of each target, and its limit; and how many verdicts failed, small tensors too."""
    rows = []
    for name in MAIN:
        cells = []
        for d in DTYPES:
            found = of("values", "gradients", "jvp", "hvp", dtype=d, groups=(name,))
            worst = max(found, key=lambda v: (v.max or 0.0) / (v.limit_max or 1.0), default=None)
            cells.append(f"{told(worst.max)} of {told(worst.limit_max)}" if worst else "-")
        everything = [r for records in runs().values() for r in records if isinstance(r, Verdict) and group(r) == name]
        rows.append([name, *cells, f"{sum(v.outcome == 'failed' for v in everything)} of {len(everything):,}"])
    return table(["largest z of its limit", *DTYPES, "failed"], rows)


def sizes() -> str:
    """How large a noise unit is: a fourth of the smallest whole-tensor error that would fail, the RMS limit being 4."""
    rows = []
    for d in DTYPES:
        seen = [v.visible_whole / 4 for v in of("gradients", dtype=d, groups=("torch/native",)) if v.visible_whole]
        rows.append([d, f"{median(seen):.1e}", f"{median(seen) / ROUNDOFF[d]:.1f}"])
    return table(["dtype", "one noise unit, relative to the tensor", "in unit roundoffs"], rows)


ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}


def facts() -> str:
    """What ran, and how much of it."""
    rows = []
    for name, records in runs().items():
        header = next(r for r in records if isinstance(r, Header))
        footer = next((r for r in records if isinstance(r, Footer)), None)
        found = [r for r in records if isinstance(r, Verdict)]
        blind = sum(v.outcome == "blind" for v in found)
        failed = sum(v.outcome == "failed" for v in found)
        versions = {k: v for own in header.versions.values() for k, v in own.items() if k in SHOWN}
        said = ", ".join(f"{k} {v}" for k, v in versions.items())
        time = seconds(footer.elapsed) if footer else "-"
        rows.append([f"`{name}`", f"{len(found):,}", f"{blind:,}", f"{failed:,}", time, said])
    return table(["run", "verdicts", "blind", "failed", "time", "versions"], rows)


SHOWN = ("torch", "onednn", "tensorflow", "keras", "jax", "numpy")

TABLES = {
    "facts": facts,
    "sizes": sizes,
    "standings": standings,
    "duels": duels,
    "tensors": tensors,
    "regimes": regimes,
    "shapes": shapes,
    "derivatives": derivatives,
    "along-y": lambda: along("y", "values"),
    "along-x": lambda: along("x", "gradients"),
    "modes": modes,
    "exchanged": exchanged,
    "extremes": extremes,
}


# --- files


def pictures() -> dict[Path, str]:
    """Return pictures of the report, of these runs, as files that stand alone."""
    plain = [r for records in runs().values() for r in records if not isinstance(r, Verdict) or group(r) in MAIN]
    summary = Summary.of(plain)
    drawn = f"{league.picture([summary]).svg}{steps.picture([summary]).svg}"
    files = {}
    for panel in drawn.split("<svg")[1:]:
        svg = light(f"<svg{panel.split('</svg>')[0]}</svg>\n")
        name = next((name for name, title in PICTURES.items() if f">{title}</title>" in svg), None)
        if name is not None:
            files[HERE / name] = svg
    return files


PICTURES = {
    "league.svg": "Noise units of gradients by target",
    "steps-torch.svg": "Noise units along sequences: torch",
    "steps-tensorflow.svg": "Noise units along sequences: tensorflow",
    "steps-jax.svg": "Noise units along sequences: jax",
}


def slim(records: Iterable[Record]) -> Iterator[Record]:
    """Leave out what no table reads."""
    for r in records:
        if isinstance(r, Header):
            yield headed(r)
        elif isinstance(r, Footer):
            yield r
        elif isinstance(r, Verdict):
            yield bare(
                r,
                visible_whole=digits(r.visible_whole, 2) if r.target.startswith("torch/native") else None,
                along=r.along if r.case.startswith("long") and r.tensor in ("x", "y") else {},
            )
        else:
            assert isinstance(r, Drawn), r


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not as the runs say")
    parser.add_argument("--keep", nargs="+", type=Path, default=(), metavar="RUN.jsonl", help="runs to put here")
    given = parser.parse_args()
    for path in given.keep:
        store(HERE / f"{path.name.partition('.')[0]}.jsonl.xz", slim(read(path)))
    page = HERE / "README.md"
    made = {name: make() for name, make in TABLES.items()}
    tables = {page: filled(page.read_text(encoding="utf-8"), made)}
    put(tables if given.check else tables | pictures(), check=given.check)  # how pictures are drawn may change


if __name__ == "__main__":
    main()

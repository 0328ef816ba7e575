"""The covering design behind `suites/cover.toml`: any three classes of options meet in some case.

Faults of interaction need three or four options at once, and a grid of all of them has thousands of cases. The design
is made once, by a library, and committed: `python -m gradassay_lstm._cover` prints the file, and is the only thing
that imports the library. What the file covers is proved by tests that know neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

STRENGTH = 3
FIRST_SEED = 2001
LARGEST = 60  # B T H of a case that is also asked second derivatives

# Each class is called as a reader of a case should see it; the first of each factor is the plain one.
FACTORS: Mapping[str, tuple[str, ...]] = {
    "layers": ("1 layer", "2 layers", "3 layers"),
    "directions": ("one direction", "both directions"),
    "bias": ("bias", "no bias"),
    "projection": ("no projection", "projection"),
    "states": ("both states", "no states", "h0 alone", "c0 alone"),
    "lengths": ("full length", "ragged", "ragged with 1 and 0"),
    "dropout": ("no dropout", "dropout"),
    "steps": ("T = 1", "T = 5", "T = 17"),  # one, a few, beyond a tile
    "batch": ("B = 1", "B = 5"),
    "width": ("N = H", "N != H"),
    "regime": ("unit", "saturated", "tiny", "huge", "memory", "zeros"),
}

# Two classes that no case can have together, and why there is none.
EXCLUDED: Mapping[tuple[str, str], str] = {
    ("1 layer", "dropout"): "dropout acts between layers",
    ("T = 1", "ragged"): "nothing is shorter than one step, but nothing at all",
    ("T = 1", "ragged with 1 and 0"): "a sample of length 1 is as long as any",
    ("B = 1", "ragged with 1 and 0"): "one sample has one length",
}


def rows() -> list[dict[str, str]]:
    """Return the design: a class of every factor in each row. It takes the development dependency `covertable`."""
    from covertable import make

    def apart(one: str, other: str) -> dict[str, object]:
        factors = [factor for name in (one, other) for factor, classes in FACTORS.items() if name in classes]
        return {
            "operator": "fn",
            "requires": factors,
            "evaluate": lambda row: not {one, other} <= {row[factor] for factor in factors},
        }

    made = make(dict(FACTORS), strength=STRENGTH, constraints=[apart(*pair) for pair in EXCLUDED])
    return sorted(({factor: row[factor] for factor in FACTORS} for row in made), key=_plain_first)


def _plain_first(row: Mapping[str, str]) -> list[int]:
    return [classes.index(row[factor]) for factor, classes in FACTORS.items()]


def toml(design: list[dict[str, str]]) -> str:
    """Return the suite that stands for a design."""
    lines = [
        "# Interactions: any three classes of options that can meet do meet in some case, and every case is small.",
        "# Made by `python -m gradassay_lstm._cover` (classes and exclusions stand there); not to be edited here.",
    ]
    for number, row in enumerate(design):
        lines += ["", *_case(number, row)]
    return "\n".join(lines) + "\n"


def _case(number: int, row: Mapping[str, str]) -> Iterator[str]:
    hidden = 4
    config = [f"input_size = {4 if row['width'] == 'N = H' else 3}", f"hidden_size = {hidden}"]
    if row["layers"] != "1 layer":
        config.append(f"num_layers = {row['layers'][0]}")
    if row["directions"] == "both directions":
        config.append("bidirectional = true")
    if row["bias"] == "no bias":
        config.append("bias = false")
    if row["projection"] == "projection":
        config.append("projection = 2")
    batch, steps = (int(row[factor].rpartition(" ")[2]) for factor in ("batch", "steps"))
    call = [f"batch = {batch}", f"steps = {steps}"]
    if row["lengths"] != "full length":
        call.append(f"lengths = {_lengths(batch, steps, row['lengths'])}")
    call += [f"{state} = false" for state in _absent(row["states"])]
    if row["dropout"] == "dropout":
        call.append("dropout = true")
    yield "[[case]]"
    yield f'name = "cover-{number + 1:03}"'
    yield f'question = "{", ".join(_told(row))}."'
    yield f"seed = {FIRST_SEED + number}"
    if row["regime"] != "unit":
        yield f'regime = "{row["regime"]}"'
    yield f"config = {{ {', '.join(config)} }}"
    yield f"call = {{ {', '.join(call)} }}"
    if batch * steps * hidden <= LARGEST:
        yield "thorough = true"


def _told(row: Mapping[str, str]) -> Iterator[str]:
    """Yield the sizes, and every class that is not the plain one."""
    for factor, name in row.items():
        if factor in ("layers", "steps", "batch", "width") or name != FACTORS[factor][0]:
            yield f"{name} data" if factor == "regime" else name


def _lengths(batch: int, steps: int, kind: str) -> list[int]:
    """Lengths in no order; a sample alone is shorter than the batch is long."""
    if kind == "ragged with 1 and 0":
        return [steps // 2, 1, steps, 0, steps - 1]
    return [steps - 1] if batch == 1 else [steps - 2, steps, 2, steps - 1, steps]


def _absent(states: str) -> tuple[str, ...]:
    return {"both states": (), "no states": ("h0", "c0"), "h0 alone": ("c0",), "c0 alone": ("h0",)}[states]


if __name__ == "__main__":
    print(toml(rows()), end="")

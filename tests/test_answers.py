"""docs/answers.md says what its scripts print: all of them run again, and words, shapes and figures are compared."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
ANSWERS = ROOT / "docs" / "answers"
PAGE = ROOT / "docs" / "answers.md"
PICTURE = ROOT / "docs" / "images" / "finite-differences.svg"
FRAMEWORKS = ("tensorflow", "jax", "torch")
SHARED = {"make.py", "picture.py", "certified.py", "jax_lstm.py"}

# Scripts of one framework share a process, since importing it takes longer than they do. Each has names of its own.
TOGETHER = """
import contextlib, io, json, runpy, sys
sys.path.insert(0, "")
printed = {}
for name in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as held:
        runpy.run_path(name, run_name="__main__")
    printed[name] = held.getvalue()
print(json.dumps(printed))
"""

NOISE = re.compile(r"worst (\S+) of (\S+) noise units(?: \([^)]*\)|, RMS \S+)?")
COUNTS = re.compile(r"^All [\d,]+ verdicts passed on (\d+ targets?)[^w]*(?=worst)")
FIGURE = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?|-?\d+e[+-]\d+")


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ANSWERS))
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("make")


@pytest.fixture
def told() -> str:
    return PAGE.read_text(encoding="utf-8")


def together(make: ModuleType, names: Sequence[str]) -> dict[str, str]:
    """Run scripts, those of one framework in one process, two processes at a time."""
    groups: dict[str, list[str]] = {framework: [] for framework in FRAMEWORKS}
    for name in names:
        groups[next((f for f in FRAMEWORKS if name.endswith(f"_{f}.py")), "torch")].append(name)
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda g: make.output([sys.executable, "-c", TOGETHER, *g]), groups.values()))
    printed: dict[str, str] = {}
    for output in outputs:
        printed |= json.loads(output.splitlines()[-1])
    return {name: "".join(f"{line.rstrip()}\n" for line in text.splitlines()) for name, text in printed.items()}


def apart(told: str, found: str) -> str:
    """Say where a page differs from what is found; nothing, if it tells the same.

    Words and whole numbers are compared as they are. Figures may differ by two units of their last digit: other
    processors round otherwise. One digit with an exponent is an order of magnitude. Noise units are noise, of which the
    page says that they are within a limit. How many verdicts `verify` reached grows with the properties that there are.
    """
    for a, b in zip([*told.splitlines(), "the end"], [*found.splitlines(), "the end"], strict=False):
        if _words(a) != _words(b):
            return f"told:  {a}\nfound: {b}"
        figures = zip(FIGURE.findall(_steady(a)), FIGURE.findall(_steady(b)), strict=True)
        if wrong := [f"{x} is not {y}" for x, y in figures if not _near(x, y)]:
            return f"told:  {a}\nfound: {b}\n{wrong[0]}"
    return ""


def _steady(line: str) -> str:
    """A line without what may change: noise units, if they are within their limit, and numbers of verdicts."""
    quiet = COUNTS.sub(r"All passed on \1; ", line)
    return NOISE.sub(lambda m: "worst within its limit" if float(m[1]) <= float(m[2]) else m[0], quiet)


def _words(line: str) -> str:
    return " ".join(FIGURE.sub("#", _steady(line)).split())


def _near(told: str, found: str) -> bool:
    a, b = float(told), float(found)
    digits, _, exponent = told.partition("e")
    if exponent and "." not in digits:
        return 0.1 <= a / b <= 10 if b else a == b
    return abs(a - b) <= 2.01 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def test_the_page_tells_what_its_scripts_print(make: ModuleType, told: str) -> None:
    assert not apart(told, make.page(lambda names: together(make, names), make.in_shell))


def test_a_script_that_prints_something_else_is_noticed(make: ModuleType, told: str) -> None:
    """One script has a planted change, and what the others print is taken from the page."""
    name = "truncated_torch.py"
    code = (ANSWERS / name).read_text(encoding="utf-8")
    changed = code.replace("s.detach() for s in state", "s for s in state")
    assert changed != code
    printed = _told_by(make, told)
    printed[name] = make.output([sys.executable, "-c", changed])
    found = make.page(lambda names: printed, lambda lines: _said_by(told, lines))
    assert re.fullmatch(
        r"told: +detached 0\.000 .*\nfound: detached 0\.135 .*\n0\.000 is not 0\.135", apart(told, found)
    )


def _told_by(make: ModuleType, told: str) -> dict[str, str]:
    """What each script printed, as the page tells it."""
    printed = {}
    for name in make.scripts("\n".join(map(make.answer, make.ANSWERS))):
        code = f"```python\n{(ANSWERS / name).read_text(encoding='utf-8')}```\n"
        after = told.partition(code)[2] if code in told else told.partition("(images/finite-differences.svg)\n\n")[2]
        printed[name] = after.removeprefix("```text\n").partition("```")[0]
    return printed


def _said_by(told: str, lines: Sequence[str]) -> dict[str, str]:
    return {line: told.partition(f"```console\n$ {line}\n")[2].partition("```")[0] for line in lines}


@pytest.mark.parametrize(
    ("line", "changed", "said"),
    [
        ("dx (2, 5, 3) of 1.25", "dx (2, 5, 3) of 1.27", ""),
        ("dx (2, 5, 3) of 1.25", "dx (2, 5, 3) of 1.28", "1.25 is not 1.28"),
        ("dx (2, 5, 3) of 1.25", "dx (2, 5, 4) of 1.25", "found: dx (2, 5, 4)"),
        ("y.grad: None", "y.grad: 0", "found: y.grad: 0"),
        ("1e-06: error 1e-01", "1e-06: error 7e-01", ""),
        ("1e-06: error 1e-01", "1e-06: error 2e+00", "1e-01 is not 2e+00"),
        ("error 1e-01", "error 0e+00", "1e-01 is not 0e+00"),
        ("a line", "a line\nand more", "found: and more"),
        ("a line\nand more", "a line", "told:  and more"),
        ("worst 2.7 of 17.3 noise units (values of y)", "worst 3.1 of 16.0 noise units (gradients of x)", ""),
        ("worst 2.7 of 17.3 noise units (values of y)", "worst 20.1 of 16.0 noise units (y)", "found: worst 20.1"),
        ("worst 1.4 of 14.8 noise units, RMS 0.6", "worst 2.4 of 14.8 noise units, RMS 1.1", ""),
        ("RIGHT: 6 verdicts passed", "RIGHT: 5 verdicts passed", "found: RIGHT: 5"),
        ("RIGHT: 6 verdicts passed", "WRONG: 1 of 6 verdicts failed", "found: WRONG"),
        (
            "All 254 verdicts passed on 2 targets; 8 skipped; worst 2.7 of 17.3 noise units (y)",
            "All 1,260 verdicts passed on 2 targets; 9 blind; worst 2.8 of 17.3 noise units (y)",
            "",
        ),
        (
            "All 254 verdicts passed on 2 targets; worst 2.7 of 17.3 noise units (y)",
            "All 254 verdicts passed on 1 target; worst 2.7 of 17.3 noise units (y)",
            "found: All 254 verdicts passed on 1 target",
        ),
    ],
)
def test_what_is_compared(line: str, changed: str, said: str) -> None:
    found = apart(line, changed)
    assert said in found if said else not found


def test_a_script_that_fails_makes_no_page(make: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1\n.*ZeroDivisionError: division by zero"):
        make.output([sys.executable, "-c", "1 / 0"])
    with pytest.raises(RuntimeError, match=r"gradassay verify nobody \| cat ended with 2\n.*nobody"):
        make.in_shell(["gradassay verify nobody | cat"])


def test_every_file_stands_on_the_page(make: ModuleType) -> None:
    """A text or a script that is put beside the others and forgotten is told to nobody."""
    texts = {path.stem for path in ANSWERS.glob("*.md")}
    assert texts == set(make.ANSWERS)
    shown = set(make.scripts("\n".join(map(make.answer, make.ANSWERS))))
    assert {path.name for path in ANSWERS.glob("*.py")} - SHARED == shown


def test_every_answer_is_given_in_each_framework_and_verified(make: ModuleType) -> None:
    for name in make.ANSWERS:
        text = make.answer(name)
        for script in (f"{name}_{framework}.py" for framework in FRAMEWORKS):
            assert script in make.scripts(text)
            code = (ANSWERS / script).read_text(encoding="utf-8")
            assert "gradassay verify" in text or "gradassay.check(" in code, script


def test_headings_are_linked_from_the_top(make: ModuleType, told: str) -> None:
    headings = re.findall(r"^## (.+)$", told, flags=re.MULTILINE)
    assert len(headings) == len(make.ANSWERS)
    for heading in headings:
        assert f"[{heading}](#{make.anchor(heading)})" in told
    assert make.anchor("Why `a_b`, and why c(): None?") == "why-a_b-and-why-c-none"


def test_the_picture_shows_the_best_steps(make: ModuleType) -> None:
    drawing = importlib.import_module("picture")
    curve = importlib.import_module("finite_differences")
    measured = tuple(max(0.1 * h**2, 1e-7 / h) for h in curve.STEPS)
    svg = drawing.drawn({"float32": curve.Curve(measured, 0.1, 1e-7)})
    assert "float32: best step 1e-2<" in svg
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    committed = PICTURE.read_text(encoding="utf-8")
    assert "float32: best step 1e-2<" in committed
    assert "float64: best step 1e-5<" in committed
    assert "var(" not in committed


def test_the_formula_gives_the_minimum(make: ModuleType) -> None:
    curve: Any = importlib.import_module("finite_differences").Curve((), truncation=0.09, rounding=2.5e-7)
    best = curve.formula
    assert all(curve.expected(best) < curve.expected(best * factor) for factor in (0.9, 1.1))

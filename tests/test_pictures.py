"""Pictures of runs: their numbers are those of the records, and they are safe, small and the same each time."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import runs

from gradassay._gathered import Gathered
from gradassay._record import Element, Map, Record, Seconds, Verdict
from gradassay._waivers import NONE
from gradassay.views._summary import Summary

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gradassay.views.pictures import Picture, pictures
from gradassay.views.pictures._anatomy import anatomies
from gradassay.views.pictures._blocks import MOST, Blocks
from gradassay.views.pictures._runs import headings
from gradassay.views.pictures._standings import Standing

IDS = ["breakdown", "league", "steps", "jacobian-maps", "time"]
BACKENDS = ("numpy", "torch", "torch-cell", "tensorflow", "tensorflow-loop", "jax", "fast.py:lstm", "flax", "mlx")
MODES, DTYPES = ("eager", "graph", "compile"), ("float64", "float32", "bfloat16", "float16")
CASES = ("plain", "ragged", "wide", "long", "saturated", "memory", "stacked", "split", "one", "two")
HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{1}{0}$ 100% $x$",
    "a\x00b\x1b[31m\u202egnp\n\ud800",
    "x" * 1000,
    "@6869@",
    "&amp; \"quoted\" 'so' ]]>",
    "漢字 \U0001f600 ﷽",
)


def drawn(records: Sequence[Record] | Sequence[Sequence[Record]]) -> dict[str, Picture]:
    """Return the pictures of a run, or of several, by their ids."""
    several = bool(records) and isinstance(records[0], Sequence)
    summaries = [Summary.of(own) for own in (records if several else [records])]  # type: ignore[arg-type]
    return {picture.id: picture for picture in pictures(summaries)}


def rows(picture: Picture) -> list[dict[str, str]]:
    return [dict(zip(picture.table.head, row, strict=True)) for row in picture.table.rows]


@cache
def of_whole() -> dict[str, Picture]:
    return drawn(whole())


def texts(picture: Picture) -> list[str]:
    return [
        element.text or "" for element in ElementTree.fromstring(picture.svg).iter() if element.tag.endswith("text")
    ]


def a_map(target: str = runs.TARGETS[1], size: int = 4, **changes: Any) -> Map:
    lower = [[c <= r for c in range(size)] for r in range(size)]
    norms = tuple(tuple(0.5 ** (r - c) if low else 0.0 for c, low in enumerate(row)) for r, row in enumerate(lower))
    apart = tuple(tuple(0.8 + 0.01 * c if low else None for c, low in enumerate(row)) for row in lower)
    told = {"spec": "lstm", "suite": "smoke", "case": "plain", "of": "y", "wrt": "x"}
    return Map(**(told | {"target": target, "truth": norms, "got": norms, "apart": apart} | changes))


@cache
def whole() -> tuple[Record, ...]:
    """Return a run as large as the default one in everything that is drawn: 108 targets, of 9 backends."""
    targets = ["/".join((b, m, "cpu", d)) for b, m, d in product(BACKENDS, MODES, DTYPES)]
    verdicts: list[Record] = []
    for n, (target, case) in enumerate(product(targets, CASES)):
        size = 0.4 + 0.3 * math.sin(n) ** 2 + 0.1 * math.cos(7 * n)
        along = {"step": tuple(size * (1 + 0.2 * math.sin(n + step)) for step in range(3 + n % 40))}
        told: dict[str, Any] = {"target": target, "case": case, "rms": size, "max": 3 * size, "seconds": 0.1 + size}
        verdicts.append(runs.verdict(**told, property="values", tensor="y", along=along))
        for tensor in ("x", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0", "h0", "c0"):
            own = {"along": along} if tensor == "x" else {}
            verdicts.append(runs.verdict(**told, property="gradients", tensor=tensor, **own))
    maps = [a_map("/".join((backend, "eager", "cpu", "float32")), 40) for backend in BACKENDS]
    return (runs.header(targets), *verdicts, *maps, runs.footer())


def wrong(**changes: Any) -> Verdict:
    """Return a verdict that fails at gate f alone."""
    worst = Element(
        tensor="weight_hh_l0", index=(5, 0), where={"gate": "f", "unit": "1"}, got="0", want="1", sigma=1e-8, z=4e6
    )
    told = {"tensor": "weight_hh_l0", "elements": 64, "rms": 1e6, "max": 4e6, "limit_max": 14.0, "worst": worst}
    figures = {"gate": (0.5, 2e6, 0.7, 0.6), "unit": (9e5, 1.1e6, 1e6, 1e6)}
    return runs.failed(**(told | {"along": figures, "labels": {"gate": ("i", "f", "g", "o")}} | changes))


def failing() -> list[Record]:
    others = [
        runs.verdict(tensor="x", rms=0.7, max=2.0, along={"step": (0.6, 0.7, 0.8)}),
        wrong(tensor="bias_hh_l0", elements=16, rms=2e5, max=5e5, along={"gate": (0.4, 4e5, 0.2, 0.3)}),
    ]
    accounts = {runs.TARGETS[1]: {"lstm/wide/wide/ragged": {"gradients": ("weight_hh_l0", "bias_hh_l0")}}}
    cause = runs.cause(name="f", sentence="the forget gate is a constant", accounts=accounts)
    return [*runs.good()[:-1], wrong(), *others, cause, runs.footer()]


# --- what is shown


def test_every_picture_of_a_run_comes_in_order_with_words_and_a_table() -> None:
    found = list(of_whole().values())
    assert [picture.id for picture in found] == IDS
    for picture in found[1:]:
        assert picture.title and picture.words.endswith(".") and picture.svg and picture.table.rows
        assert all(len(row) == len(picture.table.head) for row in picture.table.rows)
    assert (found[0].words, found[0].svg, found[0].table.rows) == ("Nothing failed.", "", ())


def test_the_league_tells_quantiles_of_the_very_verdicts() -> None:
    verdicts = [runs.verdict(case=f"c{n}", rms=0.1 * n, max=0.3 * n) for n in range(1, 21)]
    [row] = rows(drawn([runs.header(), *verdicts, runs.footer()])["league"])
    assert (row["property"], row["target"], row["tensors"]) == ("gradients", runs.TARGETS[1], "20")
    assert [row[f"RMS {share}"] for share in ("5%", "25%", "50%", "75%", "largest")] == ["0.1", "0.5", "1", "1.5", "2"]
    assert [row[f"|z| {share}"] for share in ("5%", "50%", "largest")] == ["0.3", "3", "6"]


def test_the_league_puts_the_most_accurate_first_and_names_who_strays() -> None:
    noise = dict(zip(runs.TARGETS, (0.9, 0.3, 2.5), strict=True))
    records = [runs.verdict(target=target, rms=rms, max=3 * rms, tensor="w") for target, rms in noise.items()]
    league = drawn([runs.header(), *records, runs.footer()])["league"]
    assert [row["target"] for row in rows(league)] == [runs.TARGETS[1], runs.TARGETS[0], runs.TARGETS[2]]
    assert (
        f"In gradients, {runs.TARGETS[1]} is closest to the truth, with a median RMS of 0.3 noise units" in league.words
    )
    assert f"{runs.TARGETS[2]} furthest, with 2.5" in league.words
    assert (
        f"The largest |z| that passed is 7.5 of 14.2: {runs.TARGETS[2]}, gradients, w in wide/ragged." in league.words
    )
    places = {
        text.text: float(text.get("y", ""))
        for text in ElementTree.fromstring(league.svg).iter()
        if text.tag.endswith("text")
    }
    assert places["numpy/native"] < places["torch/native"]  # whose dtypes are at 0.3 and 2.5, in the middle 1.4


def test_only_an_rms_of_enough_elements_counts_as_one_and_a_failure_without_a_number_is_infinite() -> None:
    few = runs.verdict(elements=4, limit_rms=None, rms=9.0, max=9.0)
    nan = runs.failed(rms=None, max=None, tensor="x")
    blind, zero = runs.verdict(outcome="blind"), runs.verdict(rms=None, max=None)
    standing = Standing("t", "gradients", (few, nan))
    assert standing.figures == {"rms": [math.inf], "max": [9.0, math.inf]}
    [row] = rows(drawn([runs.header(), few, nan, blind, zero])["league"])
    assert (row["tensors"], row["|z| largest"], row["RMS 50%"]) == ("2", "infinite", "infinite")


def test_every_tensor_of_few_is_a_dot_however_many_they_are() -> None:
    targets = [f"b{n}/m/cpu/{dtype}" for n, dtype in product(range(20), DTYPES)]
    told = [runs.verdict(target=target, tensor=f"w{n}", rms=1.0 + n) for target in targets for n in range(5)]
    league = drawn([runs.header(targets), *told, runs.footer()])["league"]
    paths = re.findall(r'<path d="([^"]*)" style="([^"]*)"', league.svg)
    dots = [re.findall(r"M[\d.]+ [\d.]+\s*[HVL]", d) for d, style in paths if "stroke-linecap:round" in style]
    assert sum(map(len, dots)) == 2 * 80 * 5  # an RMS and a largest |z| of each


def test_the_league_says_whether_all_were_asked_the_same() -> None:
    alike = [runs.verdict(target=target) for target in runs.TARGETS]
    said = "Targets were not all asked the same: 1 to 2 tensors each."
    assert said not in drawn([runs.header(), *alike])["league"].words
    assert said in drawn([runs.header(), *alike, runs.verdict(tensor="h0")])["league"].words


def test_the_steps_are_the_medians_of_sequences_whatever_their_length() -> None:
    flat = [runs.verdict(case=f"c{n}", along={"step": (float(n),) * (3 + n)}) for n in (1, 2, 9)]
    grown = runs.verdict(property="values", tensor="y", along={"step": tuple(float(n) for n in range(1, 13))})
    short = runs.verdict(case="short", along={"step": (7.0, 7.0)})
    steps = drawn([runs.header(), *flat, grown, short, runs.footer()])["steps"]
    by_property = {row["property"]: row for row in rows(steps)}
    assert by_property["gradients"]["sequences"] == "3"
    assert list(by_property["gradients"].values())[4:] == ["2"] * 12
    assert list(by_property["values"].values())[4:] == [str(n) for n in range(1, 13)]
    assert "from 2.0 to 11.0 in values of torch/float32" in steps.words


def test_steps_without_a_figure_are_a_gap() -> None:
    [row] = rows(drawn([runs.header(), runs.verdict(along={"step": (1.0, None, 3.0)})])["steps"])
    assert list(row.values())[4:] == ["1"] * 4 + [""] * 4 + ["3"] * 4


def test_flat_steps_are_said_to_be_flat_and_wrong_ones_wrong() -> None:
    flat = drawn([runs.header(), runs.verdict(along={"step": (1.0, 1.1, 1.2)})])["steps"].words
    assert flat == (
        "The error does not grow along sequences, over 1 sequence of 3 steps or more: by the last quarter it is 1.2 "
        "times what it was in the first."
    )
    off = drawn([runs.header(), runs.failed(tensor="x", along={"step": (1e6, 1e6, 1e6)})])["steps"].words
    assert "it is beyond noise all along, in gradients of torch/float32" in off


def test_what_is_beyond_the_axis_of_steps_is_told() -> None:
    for figure, said in ((1e6, ["up to 1.0e+06"]), (900.0, [])):
        steps = drawn([runs.header(), runs.failed(tensor="x", along={"step": (figure,) * 3})])["steps"]
        assert [text for text in texts(steps) if text.startswith("up to")] == said


def test_a_map_tells_its_blocks_and_that_what_is_zero_is() -> None:
    found = a_map()
    maps = drawn([runs.header(), found, runs.footer()])["jacobian-maps"]
    table = rows(maps)
    assert [row["output step"] for row in table] == ["0", "1", "2", "3"]
    assert (
        table[2]["truth by input step"] == "0.25 0.5 1 0" and table[2]["noise units by input step"] == "0.8 0.81 0.82 -"
    )
    assert maps.words == (
        "The Jacobians of 1 backend are within noise in every block: 0.8 noise units at most, on "
        "torch/native/cpu/float32. Blocks that should be exactly 0, the empty ones, are."
    )
    assert {"truth, norms", "answer", "apart, in noise units", "input step", "output step"} <= set(texts(maps))


def test_a_map_that_is_wrong_is_chosen_and_told() -> None:
    off = a_map("torch/graph/cpu/bfloat16")
    apart = [list(row) for row in off.apart]
    got = [list(row) for row in off.got]
    apart[3][0], apart[3][1] = 80.0, 7e3
    got[0][3] = 1e-3  # depends on what comes later
    records = [runs.header(), a_map(), a_map(runs.TARGETS[0]), a_map("torch/graph/cpu/bfloat16", apart=apart, got=got)]
    maps = drawn(records)["jacobian-maps"]
    assert {row["target"] for row in rows(maps)} == {"numpy/native/cpu/float64", "torch/graph/cpu/bfloat16"}
    assert maps.words == (
        "torch/graph/cpu/bfloat16: of 16 blocks of d y / d x, 2 beyond 4 noise units RMS, up to 7,000, "
        "1 not 0, which should be exactly that; output steps 0 to 3, input steps 0 to 3."
    )


def test_a_large_map_is_pooled_to_norms_of_blocks() -> None:
    blocks = Blocks.of(a_map(size=60))
    assert blocks is not None and len(blocks.truth) == 20 <= MOST and blocks.span == (3, 3)
    assert blocks.truth[0][0] == pytest.approx(math.sqrt(3 + 2 * 0.5**2 + 0.25**2))
    assert blocks.apart[5][1] == pytest.approx(0.8 + 0.01 * 5) and blocks.apart[1][5] is None
    assert blocks.kinds[1][5] == "zero"


def test_a_failure_is_shown_by_tensor_and_along_the_axis_that_tells() -> None:
    picture = drawn(failing())["breakdown"]
    assert picture.words == (
        "torch: the forget gate is a constant: 2 tensors wrong and 2 right; furthest is weight_hh_l0, with an RMS of "
        f"1.0e+06 noise units, at gate f alone. To ask again: {wrong().replay}"
    )
    table = rows(picture)
    assert (
        table[0]["tensor"] == "torch: the forget gate is a constant"
        and table[0]["RMS in noise units"] == wrong().replay
    )
    weight = {row["along"]: row for row in table if row["tensor"] == "weight_hh_l0"}
    assert weight[""]["RMS in noise units"] == "1e+06" and weight[""]["limit"] == "4"
    assert weight["gate"]["RMS in noise units"] == "0.5 2e+06 0.7 0.6"
    bias = {row["along"]: row for row in table if row["tensor"] == "bias_hh_l0"}
    assert bias["gate"]["limit"] == "14"  # 4 elements a gate are too few for a limit on their RMS
    assert {"gate", "unit", "f", "weight_hh_l0"} <= set(texts(picture))


def test_positions_have_their_names_where_the_axis_has_some() -> None:
    [named] = anatomies(Summary.of(failing()))
    assert named.axes[0] == "gate" and named.names("gate") == dict(enumerate("ifgo")) and named.names("unit") == {}
    assert {"i", "f", "g", "o"} <= set(texts(drawn(failing())["breakdown"]))
    [bare] = anatomies(Summary.of([runs.header(), wrong(labels={}), runs.footer()]))
    assert bare.names("gate") == {}


def test_what_is_not_finite_and_what_has_no_figures_is_said() -> None:
    nan = wrong(rms=None, max=None, worst=Element(**{**_fields(wrong().worst), "kind": "not finite", "z": None}))
    picture = drawn([runs.header(), nan, runs.footer()])["breakdown"]
    assert "with an RMS of no finite number" in picture.words and "infinite" in texts(picture)
    crash = runs.verdict(outcome="errored", rms=None, max=None, reason="exception: boom", tensor="")
    picture = drawn([runs.header(), crash, runs.footer()])["breakdown"]
    assert (
        not picture.svg
        and picture.words == "No figures were recorded of what is wrong: 1 report of exceptions and the like."
    )


def _fields(element: Element | None) -> dict[str, Any]:
    assert element is not None
    return {name: getattr(element, name) for name in element.__struct_fields__}


def test_the_time_is_that_of_the_footer_and_of_the_verdicts() -> None:
    spent = [
        runs.verdict(target="torch/eager/cpu/float64", seconds=3.0),
        runs.verdict(target="torch/eager/cpu/float32", seconds=1.0),
        runs.verdict(target="jax/jit/cpu:1/float32", property="values", seconds=6.0),
    ]
    time = drawn([runs.header(), *spent, runs.footer()])["time"]
    table = {(row["what"], row["of"], row["dtype"]): row["seconds"] for row in rows(time)}
    assert table["All", "frameworks", ""] == "61.00" and table["All", "harness", ""] == "2.20"
    assert table["Frameworks by mode", "torch/eager", "float64"] == "3.00"
    assert table["Frameworks by mode", "jax/jit/cpu:1", "float32"] == "6.00"
    assert table["Frameworks by property", "gradients", "float32"] == "1.00"
    for what in ("Frameworks by mode", "Frameworks by property"):
        assert table[what, "not of a verdict (starting, diagnosis)", ""] == "51.00"
    whole = drawn([runs.header(), *spent, runs.footer(seconds=Seconds(framework=10.0))])["time"]
    assert not any(row["of"].startswith("not of") for row in rows(whole))
    assert time.words == (
        "The run took 1 min 23 s. Of 1 min 23 s of work, which may have been side by side: frameworks 73%, truth 14%, "
        "noise 10%, harness 3%. The costliest mode is jax/jit/cpu:1: 6.0 s, 60%. The costliest property is values: "
        "6.0 s, 60%."
    )


# --- several runs


def test_several_runs_stand_side_by_side_under_what_they_differ_in() -> None:
    later = [runs.header(versions={"torch": {"torch": "2.14.0", "oneDNN": "3.11"}}), *failing()[1:], a_map()]
    found = drawn([[*runs.good(), a_map()], later])
    assert headings([Summary.of(runs.good()), Summary.of(later)]) == ["A (torch 2.13.0)", "B (torch 2.14.0)"]
    assert {"A (torch 2.13.0): Gradients", "B (torch 2.14.0): Gradients"} <= set(texts(found["league"]))
    for id in ("league", "jacobian-maps", "time"):
        assert {row["run"] for row in rows(found[id])} == {"A (torch 2.13.0)", "B (torch 2.14.0)"}
        assert "A (torch 2.13.0): " in found[id].words and "B (torch 2.14.0): " in found[id].words
    assert {row["run"] for row in rows(found["breakdown"])} == {"B (torch 2.14.0)"}


def test_runs_that_differ_in_nothing_have_letters_alone() -> None:
    assert headings([Summary.of(runs.good())] * 2) == ["A", "B"]
    assert headings([Summary.of([])] * 2) == ["A", "B"]
    assert headings([Summary.of(runs.good())]) == [""]


# --- what is safe, small, and the same each time


def test_pictures_are_well_formed_and_each_is_told_to_who_cannot_see_it() -> None:
    ids: list[str] = []
    for picture in [*of_whole().values(), *drawn([failing(), [*runs.good(), a_map()]]).values()]:
        if not picture.svg:
            continue
        root = ElementTree.fromstring(picture.svg)
        assert root.get("class") == "panels" and "<?xml" not in picture.svg
        for one in root.iter("{http://www.w3.org/2000/svg}svg"):
            [title] = one.findall("{http://www.w3.org/2000/svg}title")
            assert one.get("role") == "img" and one.get("aria-labelledby") == title.get("id") and title.text
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"div", "svg", "title", "path", "text"}
    for picture in of_whole().values():
        ids += re.findall(r'\bid="([^"]*)"', picture.svg)
        assert all(id.startswith(f"{picture.id}-") for id in re.findall(r'\bid="([^"]*)"', picture.svg))
    assert len(ids) == len(set(ids)) > 10


def test_colours_are_the_page_s_and_nothing_is_fetched() -> None:
    for picture in [*of_whole().values(), *drawn([*failing(), a_map()]).values()]:
        styles = re.findall(r'style="([^"]*)"', picture.svg)
        colours = {c for style in styles for c in re.findall(r"(?:fill|stroke):([^;]*)", style)}
        assert colours <= {"none", *(f"var(--{name})" for name in ("ink", "paper", "muted", "good", "bad", "warn"))} | {
            f"var(--c{n})" for n in range(1, 9)
        }
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(|url\(|href|font-family|@[0-9a-f]*@", picture.svg)
        for reference in re.findall(r"https?://[^\"' ]*", picture.svg):
            assert reference == "http://www.w3.org/2000/svg"
        for path in re.findall(r'<path d="([^"]*)" style="([^"]*)"', picture.svg):
            assert "fill:" in path[1] and "nan" not in path[0] and "inf" not in path[0]


def test_the_same_run_gives_the_same_bytes_whatever_is_set_up_for_matplotlib() -> None:
    import matplotlib as mpl

    before = [picture.svg for picture in pictures([Summary.of(failing())])]
    with mpl.rc_context({"axes.grid": True, "font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        kept = dict(mpl.rcParams)
        assert [picture.svg for picture in pictures([Summary.of(failing())])] == before
        assert dict(mpl.rcParams) == kept


def test_a_whole_run_is_small() -> None:
    found = of_whole()
    sizes = {id: len(picture.svg.encode()) for id, picture in found.items()}
    assert sum(sizes.values()) < 600_000, sizes
    assert sizes["league"] < 60_000 and sizes["steps"] < 60_000 and sizes["time"] < 40_000, sizes


@pytest.mark.parametrize("name", HOSTILE)
def test_foreign_names_are_shown_and_never_obeyed(name: str) -> None:
    target = f"{name}/eager/cpu/{name}"
    along: Any = {"gate": (0.5, 2e6, 0.7, 0.6), "step": (1.0, 1.0, 1.0), name: (1.0, 9e9)}
    told = {"target": target, "case": name, "suite": name, "spec": name, "tensor": name}
    worst = Element(**{**_fields(wrong().worst), "tensor": name, "where": {"gate": name, name: name}})
    records = [
        runs.header([target], versions={name: {name: name}}),
        wrong(**told, along=along, worst=worst, replay=name, reason=name, seconds=1.0),
        runs.verdict(**told, property="values", along=along, seconds=1.0),
        runs.verdict(**told, property=name, seconds=1.0),
        a_map(target, spec=name, suite=name, case=name, of=name, wrt=name),
        runs.footer(),
    ]
    for picture in [*drawn(records).values(), *drawn([records, [runs.header(), *records[1:]]]).values()]:
        assert picture.svg
        root = ElementTree.fromstring(picture.svg)
        assert not list(root.iter("script")) and "<script" not in picture.svg
        shown = [text for text in texts(picture) if text]
        assert all(len(text) <= 120 and text.isprintable() for text in shown)
        assert len(picture.words) < 4000 and picture.words.isprintable()
        assert all(cell.isprintable() and len(cell) < 500 for row in picture.table.rows for cell in row)
    plain = name[:10] if name.isprintable() else "a"
    assert any(text.startswith(plain) for text in texts(drawn(records)["league"]))


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-320, 1e308, None])
def test_no_figure_is_too_odd(figure: float | None) -> None:
    along: Any = {"step": (figure, 1.0, figure), "gate": (figure,) * 4, "unit": (), "row": (figure,)}
    bad = wrong(rms=figure, max=figure, along=along, limit_max=figure, limit_rms=figure, seconds=figure or 0.0)
    good = runs.verdict(rms=figure, max=figure, along=along, limit_max=figure, seconds=figure or 0.0)
    grid = ((figure, 0.0), (1.0, figure))
    spent = Seconds(framework=figure or 0.0, truth=figure or 0.0)
    footer = runs.footer(elapsed=figure or 0.0, seconds=spent)
    some = [bad, good, a_map(truth=grid, got=grid, apart=grid)]
    for records in ([runs.header(), *some, footer], [*some], [runs.header(), bad], [runs.header(), good, footer]):
        for picture in drawn(records).values():
            if picture.svg:
                ElementTree.fromstring(picture.svg)
                assert not re.search(r"\b(nan|inf)\b", "".join(re.findall(r'd="[^"]*"', picture.svg)))


@pytest.mark.parametrize(
    "records",
    [[], [runs.header()], [runs.header(), runs.footer()], [runs.header(), runs.skipped(), runs.footer(complete=False)]],
)
def test_a_run_with_nothing_in_it_has_no_pictures_and_says_why(records: list[Record]) -> None:
    for picture in drawn(records).values():
        assert picture.words.endswith(".")
        assert bool(picture.svg) == bool(picture.table.rows) == (picture.id == "time" and len(records) > 1)


def test_one_verdict_is_enough_for_a_picture() -> None:
    found = drawn([runs.verdict()])
    assert [id for id, picture in found.items() if picture.svg] == ["league"]
    assert drawn([runs.verdict(seconds=2.0)])["time"].svg


def test_an_older_run_says_what_it_does_not_hold() -> None:
    found = drawn([runs.header(format=2), *runs.good()[1:]])
    assert found["league"].svg and found["time"].svg
    assert not found["steps"].svg and "Runs of format 1 and 2 do not say" in found["steps"].words
    assert not found["jacobian-maps"].svg and "Runs of format 1 and 2 hold no" in found["jacobian-maps"].words


def test_malformed_maps_are_left_out_and_named() -> None:
    for grid in ((), ((),), ((1.0,), (1.0, 2.0))):
        maps = drawn([runs.header(), a_map(got=grid)])["jacobian-maps"]
        assert not maps.svg and "malformed" in maps.words


def test_maps_with_and_without_a_figure_can_be_put_in_order() -> None:
    told = [msgspec.json.encode(one).decode() for one in (a_map(size=1), a_map(size=1, apart=((None,),)))]
    found = [
        Gathered.of(texts, [], NONE, started=datetime.now(UTC), complete=True).summary.maps
        for texts in (told, told[::-1])
    ]
    assert found[0] == found[1] and len(found[0]) == 2


def test_there_is_room_for_very_many_targets() -> None:
    targets = [f"b{n}/eager/cpu/float32" for n in range(300)]
    found = drawn([runs.header(targets), *(runs.verdict(target=t, along={"step": (1.0,) * 5}) for t in targets)])
    assert len(rows(found["league"])) == len(rows(found["steps"])) == 300
    assert any("the 60 least accurate of 300" in text for text in texts(found["league"]))
    assert sum(len(picture.svg) for picture in found.values()) < 200_000


def test_a_module_that_is_put_into_the_folder_is_a_picture() -> None:
    import gradassay.views.pictures as package

    [folder] = package.__path__
    names = {path.stem for path in Path(folder).glob("[a-z]*.py")}
    assert len(names) == len(IDS) and {"league", "steps", "breakdown"} <= names


def test_without_matplotlib_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from gradassay._errors import UsageError\n"
        "from gradassay.views.pictures import pictures\n"
        "try: pictures([])\n"
        "except UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pictures need Matplotlib, which is not installed: pip install 'gradassay[report]'"


def test_no_state_of_pyplot_is_touched() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "from gradassay.views.pictures import pictures\n"
        "from gradassay.views._summary import Summary\n"
        "pictures([Summary.of([])]); print('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"

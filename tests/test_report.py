from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import compared
import msgspec
import pytest
import runs
from click.testing import CliRunner
from test_views import one_line

from gradassay import _errors
from gradassay._record import Cause, Record, encode
from gradassay.cli import main
from gradassay.views._summary import Summary
from gradassay.views.html import Run, html
from gradassay.views.html._columns import composed, packed
from gradassay.views.html._matrix import matrix, short

CSS = (Path(html.__code__.co_filename).parent / "page.css").read_text()


class Picture(msgspec.Struct):
    """What the pictures of a run are to the page."""

    id: str
    title: str
    words: str
    svg: str
    table: Any


class Table(msgspec.Struct):
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown(*records: list[Record], pictures: Any = ()) -> str:
    return html([Run(f"run{n}.jsonl", Summary.of(own)) for n, own in enumerate(records, start=1)], pictures)


def save(path: Path, records: list[Record]) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path


def report(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["report", *map(str, arguments)])
    return done.exit_code, done.output


INLINE = ("a", "b", "code", "span", "small")


class Words(HTMLParser):
    """The text of a page as a reader without scripts has it, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self._silent = "", [], 0  # type: ignore[var-annotated]
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style")
        self.text += "" if tag in INLINE else " "

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._silent else data


def unpacked(coded: str) -> list[dict[str, Any]]:
    """Read the verdicts back, as the page's script does."""
    data = zlib.decompress(b64decode(coded))
    length = int.from_bytes(data[:4], "little")
    head, start = json.loads(data[4 : 4 + length]), 4 + length
    found: list[dict[str, Any]] = [{} for _ in range(head["count"])]
    for name, width, values in head["columns"]:
        planes = [data[start + byte * len(found) :][: len(found)] for byte in range(width)]
        start += width * len(found)
        for number, verdict in enumerate(found):
            verdict[name] = values[sum(plane[number] << 8 * byte for byte, plane in enumerate(planes))]
    assert start == len(data)
    return found


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_writes_one_file_and_says_what_the_run_came_to(tmp_path: Path) -> None:
    run, out = save(tmp_path / "run.jsonl", runs.good()), tmp_path / "report.html"
    code, said = report(run, "-o", out)
    assert code == 0, said
    assert said.startswith("run.jsonl: All 6 verdicts passed on 3 targets")
    assert re.search(rf"Written to {re.escape(str(out))} \(\d+\.\d MB\)", said)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "run.jsonl", runs.good())
    files = [tmp_path / folder / "run.jsonl" for folder in ("before", "after")]
    code, said = report(*files, "-o", tmp_path / "report.html")
    assert code == 0
    assert [line.partition(": ")[0] for line in said.splitlines()[:2]] == list(map(str, files))


def test_a_bad_run_is_no_bad_command(tmp_path: Path) -> None:
    code, said = report(save(tmp_path / "run.jsonl", runs.bad()), "-o", tmp_path / "out.html")
    assert code == 0
    assert "FAILED: 1 failed" in said


def test_what_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    run = tmp_path / "missing.jsonl"
    code, said = report(run, "-o", tmp_path / "nowhere" / "report.html")
    assert code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}; make it first" in said
    code, said = report(run, "-o", tmp_path)
    assert code == 2
    assert "it is a folder; name a file in it" in said


def test_what_cannot_be_read_is_told_by_name_and_line(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    code, said = report(tmp_path / "missing.jsonl", "-o", out)
    assert (code, out.exists()) == (2, False)
    assert "missing.jsonl: No such file" in said
    later = tmp_path / "later.jsonl"
    later.write_text('{"record": "header", "format": 99}\n')
    assert "has format 99; this version of gradassay reads up to" in report(later, "-o", out)[1]
    torn = save(tmp_path / "torn.jsonl", runs.good())
    torn.write_bytes(torn.read_bytes() + b"{nonsense\n" * 2)
    code, said = report(torn, "-o", out)
    assert code == 2
    assert "line 10 is not a record of a run" in said
    assert report("-o", out)[0] == 2  # no run at all


def test_a_run_is_not_overwritten_by_its_report(tmp_path: Path) -> None:
    run = save(tmp_path / "run.jsonl", runs.good())
    code, said = report(run, "-o", run)
    assert code == 2
    assert "would be overwritten" in said
    assert run.read_bytes().startswith(b'{"record":"header"')


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradassay.views.html.find_spec", lambda name: None if name == "jinja2" else object())
    code, said = report(save(tmp_path / "run.jsonl", runs.good()), "-o", tmp_path / "report.html")
    assert code == 2
    assert said == "gradassay: a report needs jinja2: pip install 'gradassay[report]'\n"


def test_there_is_a_letter_for_every_run_or_it_is_refused() -> None:
    with pytest.raises(_errors.UsageError, match="from 1 to 26 runs, not 27"):
        html([Run("run.jsonl", Summary.of(runs.good()))] * 27, [])
    with pytest.raises(_errors.UsageError, match="not 0"):
        html([], [])


# --- what stands there without scripts -------------------------------------------------------------------------


def test_the_answer_comes_first_then_the_matrix() -> None:
    text = one_line(Words(shown(runs.good())).text)
    answer = "All 6 verdicts passed on 3 targets; 1 skipped; worst 5.5 of 14.2 noise units"
    assert text.index(answer) < text.index("Targets by properties") < text.index("torch 2.13.0")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (runs.good()[:-1], "INCOMPLETE: the run stopped after 7 verdicts, none wrong"),
        ([runs.header(), runs.footer()], "FAILED: nothing was verified: no verdict passed or failed"),
        ([], "This run has no targets and no verdicts."),
        ([runs.header(targets=()), runs.footer()], "This run has no targets and no verdicts."),
    ],
)
def test_a_run_that_came_to_little_is_shown_as_what_it_is(records: list[Record], said: str) -> None:
    assert said in one_line(Words(shown(records)).text)


def test_every_cell_has_a_row_with_its_worst_verdict_and_the_command_that_asks_it_again() -> None:
    page = shown(runs.bad())
    of = matrix(Summary.of(runs.bad()), "a")
    for target in of.targets:
        for cell in target.cells.values():
            assert page.count(f'href="#{cell.anchor}"') == page.count(f'id="{cell.anchor}"') == 1
    row = page.split('id="a-1-1"')[1].split("</tr>")[0]
    for said in ("1 failed, 1 passed; 57.3 of 14.2", "weight_hh_l1_reverse", "wide/ragged", runs.failed().replay):
        assert said in row
    other = [runs.verdict(max=9.0, rms=0.3), runs.verdict(tensor="h0", rms=2.7)]
    row = shown([runs.header(), *other]).split('id="a-1-0"')[1].split("</tr>")[0]
    assert "<td>0.3</td><td>x</td>" in row  # the RMS of the tensor beside it


def test_links_within_the_page_lead_somewhere() -> None:
    for records in (runs.good(), [*runs.bad()[:-1], *agreeing(), runs.cause(), runs.footer()]):
        tags = Words(shown(records, records)).tags
        ids = [told["id"] for _, told in tags if told.get("id")]
        assert len(ids) == len(set(ids))
        links = {told["href"] for tag, told in tags if tag == "a"}
        assert {link.removeprefix("#") for link in links} <= set(ids)


def agreeing(**changes: Any) -> list[Record]:
    """Return verdicts of agreement between NumPy and torch, of which `changes` make something else."""
    told: dict[str, Any] = {"target": runs.TARGETS[0], "against": runs.TARGETS[1], "property": "agreement"}
    return [runs.verdict(**told, case="wide/plain"), runs.verdict(**(told | {"tensor": ""} | changes))]


def test_the_answer_to_can_i_move_my_model_is_in_words() -> None:
    text = one_line(Words(shown([*runs.good()[:-1], *agreeing(), runs.footer()])).text)
    assert "numpy and torch? Yes: they agree within noise in all 2 verdicts on 1 pair of targets in float64" in text
    bad = agreeing(outcome="failed", max=99.0, replay="gradassay verify a b")
    page = shown([*runs.good()[:-1], *bad, runs.footer()])
    text = one_line(Words(page).text)
    assert "Not everywhere: they differ in 1 of 2 verdicts on 1 pair of targets" in text
    assert f"{runs.TARGETS[0]} and {runs.TARGETS[1]}; the largest difference is 99.0 of 14.2 noise units" in text
    assert "gradassay verify a b" in text
    assert "✗ 1 of 1" in text


def test_dtypes_come_from_fine_to_coarse() -> None:
    names = ("float32", "bfloat16", "float64")
    told = [runs.verdict(target=f"a/m/{d}", against=f"b/m/{d}", property="agreement") for d in names]
    assert "in float64, float32, bfloat16;" in one_line(Words(shown([runs.header(), *told])).text)


def test_a_link_names_a_run_where_there_are_several() -> None:
    records = [*runs.bad()[:-1], *agreeing(), runs.footer()]
    assert "run=a" not in shown(records)
    assert re.findall(r"report=1&amp;run=(\w)", shown(records, records)) == ["a", "b"]
    assert "with=torch&amp;run=b" in shown(records, records)


def test_a_failure_is_told_in_full_with_its_cause_and_how_to_replay_it() -> None:
    records = [*runs.bad()[:-1], runs.cause(alternatives=("or the other",)), runs.footer()]
    text = one_line(Words(shown(records)).text)
    for said in (
        "What is wrong: 1 verdict on 1 target, of 1 cause",
        "1. torch: the gate order is i, f, o, g; should be i, f, g, o",
        "or the other: the same here",
        "layer 1, direction reverse, gate f, unit 3, feature 0 (at [23, 0])",
        "0.12341 ± 1.2e-08 (one noise unit)",
        runs.failed().replay,
    ):
        assert said in text


def test_more_failures_than_a_page_holds_are_counted() -> None:
    many = [runs.failed(property=f"property-{number}") for number in range(1103)]
    text = one_line(Words(shown([runs.header(), *many, runs.footer()])).text)
    assert "100. torch/native/cpu/float32: property-99" in text
    assert "and 1,003 more, which the list of verdicts has" in text


def test_what_was_not_seen_has_its_reasons_and_the_run_its_facts() -> None:
    records = [
        runs.header(machine={"cpu": "An Example 9000"}, questions={"lstm/questions/one": "Is one right?"},
                    suites=("questions",), command="gradassay verify torch"),
        runs.verdict(suite="questions", case="one"),
        runs.verdict(outcome="blind", reason="the noise is as large as the value"),
        runs.failed(waived="issue 7"),
        runs.skipped(),
        runs.verdict(outcome="not applicable", reason="it promises nothing"),
        runs.footer(),
    ]  # fmt: skip
    text = one_line(Words(shown(records)).text)
    for said in (
        "1 waived, for 1 reason verdicts why targets 1 issue 7",
        "the noise is as large as the value",
        "oneDNN has no forward mode",
        "it promises nothing",
        "Is one right? one right on 1 target",
        "float32 1 8.0e-07 5.0e-06",
        "An Example 9000",
        "gradassay verify torch",
        "torch 2.13.0, oneDNN 3.11",
        "1 min 23 s",
        "kernel=oneDNN",
    ):
        assert said in text, said


def test_a_picture_comes_with_its_words_and_its_numbers() -> None:
    table = Table(("step", "units"), (("1", "0.5"), ("<2>", "0.7")))
    picture = Picture("drift", "How it <drifts>", "It does not.", '<svg role="img"><path d="M0 0"/></svg>', table)
    page = shown(runs.good(), pictures=[picture])
    assert picture.svg in page
    assert "How it &lt;drifts&gt;" in page
    assert '<th scope="row">&lt;2&gt;</th><td>0.7</td>' in page


def test_headers_of_tables_say_what_they_head() -> None:
    tags = Words(shown([*runs.bad()[:-1], *agreeing(), runs.footer()], runs.good())).tags
    heads = [told for tag, told in tags if tag == "th"]
    assert len(heads) > 20
    assert {told.get("scope") for told in heads} == {"col", "row", "rowgroup"}


# --- several runs ----------------------------------------------------------------------------------------------


def test_several_runs_say_which_is_which_and_what_moved() -> None:
    after = [
        runs.header(versions={"torch": {"torch": "2.14.0", "oneDNN": "3.11"}}),
        *(msgspec.structs.replace(v, max=9.9) if v.property == "gradients" else v for v in runs.bad()[1:-1]),
        runs.footer(),
    ]
    text = one_line(Words(shown(runs.good(), after)).text)
    assert "A run1.jsonl B run2.jsonl torch: torch 2.13.0 2.14.0" in text
    assert "gradients: passed, now failed" in text
    assert f"{runs.TARGETS[2]} 5.5 9.9 same" in text  # by less than a factor of 2
    assert f"{runs.TARGETS[0]} 4.5 9.9 gradients: 4.5, now 9.9" in text
    assert "Of 3 targets: 2 worse, 1 the same." in text
    assert "Not known to be fair: not recorded: the bits of the cases" in text


def test_the_page_says_what_diff_says_of_two_runs() -> None:
    base = compared.run(runs.verdict())
    broken = compared.run(runs.failed(tensor="x"), digest="ff00")
    text = one_line(Words(shown(base, broken)).text)
    assert "Not fair: the cases differ bit for bit: 1 of 1." in text
    assert "REGRESSED: 1 broken of 1 verdict on 1 target." in text
    assert "Fair: 1 case the same bit for bit" in one_line(Words(shown(base, base)).text)
    assert "A to B: Not fair" in text
    assert "A to B: one of them holds no verdict: there is nothing to compare" in one_line(
        Words(shown(base, base[:1])).text
    )


def test_every_step_of_several_runs_is_told_by_the_letters_of_the_page() -> None:
    one, other = compared.run(runs.verdict()), compared.run(runs.verdict(), runs.verdict(tensor="h0"), complete=False)
    text = one_line(Words(shown(one, other, one)).text)
    for said in ("A to C: Fair: ", "A to B: Fair on what both were asked: ", "INCOMPLETE: B stopped early", "B to C: "):
        assert said in text
    assert not re.search("BASE|NEW", text)


def test_a_target_that_nothing_was_reached_of_is_not_counted() -> None:
    away = runs.skipped(target="mlx/eager/gpu/float32", property="", suite="", case="")
    records = [*runs.good()[:-1], away, runs.footer()]
    assert "Of 3 targets: 3 the same." in one_line(Words(shown(records, records)).text)
    assert "No target was reached." in shown([runs.header(), away], [runs.header(), away])


def test_a_target_of_one_run_alone_is_said_to_be_new_or_gone() -> None:
    fewer = [runs.header(runs.TARGETS[:1]), *(v for v in runs.good() if getattr(v, "target", "") == runs.TARGETS[0])]
    assert "not in the last run" in shown(runs.good(), [*fewer, runs.footer()])
    assert 'class="words text">new<' in shown([*fewer, runs.footer()], runs.good())
    assert 'class="words text">new, and failed<' in (page := shown([*fewer, runs.footer()], runs.bad()))
    assert '<tr class="worse"' not in page  # nobody knows what it was


# --- the verdicts behind it ------------------------------------------------------------------------------------


def test_every_verdict_is_in_the_page_with_all_that_a_reader_asks_for() -> None:
    records = [*runs.bad()[:-1], *agreeing(), runs.cause(), runs.footer()]
    summary = Summary.of(records)
    found = unpacked(packed(summary, matrix(summary, "a")))
    assert len(found) == len(summary.verdicts)
    bad = next(one for one in found if one["outcome"] == "failed")
    assert bad["question"] == ["lstm", "wide", "wide/ragged"]
    assert (bad["rms"], bad["max"], bad["limit"], bad["limitRms"]) == ("12.1", "57.3", "14.2", "4.0")
    assert (bad["tensor"], bad["report"], bad["reason"]) == ("weight_hh_l1_reverse", "1", "RMS 12.1 is above 4")
    assert bad["replay"] == runs.failed().replay
    assert [one["against"] for one in found[-2:]] == [runs.TARGETS[1]] * 2


def test_a_replay_command_that_the_page_composes_itself_is_not_stored() -> None:
    usual = runs.verdict()
    usual = msgspec.structs.replace(usual, replay=composed(usual))
    assert usual.replay.endswith("float32 --spec lstm --suite wide --case wide/ragged --property gradients")
    whole = runs.skipped(suite="", case="", property="")
    assert composed(whole) == f"gradassay verify {runs.TARGETS[1]} --spec lstm"
    summary = Summary.of([runs.header(), usual])
    assert unpacked(packed(summary, matrix(summary, "a")))[0]["replay"] == ""


def test_more_than_256_and_more_than_65536_different_entries_fit() -> None:
    for many in (300, 66_000):
        verdicts = [runs.verdict(reason=f"reason {number}") for number in range(many)]
        summary = Summary.of([runs.header(), *verdicts])
        found = unpacked(packed(summary, matrix(summary, "a")))
        assert {one["reason"] for one in found} == {v.reason for v in verdicts}


def test_all_failing_verdicts_of_a_cause_are_its_own_also_of_requests_that_are_alike() -> None:
    alike = [runs.failed(case=f"wide/{number}", tensor=tensor) for number in range(3) for tensor in ("a", "b")]
    summary = Summary.of([runs.header(), *alike, runs.failed(property="hvp"), runs.footer()])
    numbers = [one["report"] for one in unpacked(packed(summary, matrix(summary, "a")))]
    assert sorted(numbers) == ["1"] * 6 + ["2"]


# --- what foreign text may do ----------------------------------------------------------------------------------

HOSTILE = (
    "<script>document.title = 'had'</script>",
    "</script><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "a\x00b\x1b[31mc\x07",
    "right\u202eto left\u2066",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!-- -->",
    "x" * 100_000,
)


def hostile(text: str) -> list[Record]:
    """Return a run that has the same text for everything that a stranger may name."""
    target = f"{text}/m/d/{text}"
    names: dict[str, Any] = {"target": target, "spec": text, "suite": text, "case": text, "tensor": text}
    worst = msgspec.structs.replace(runs.WORST, tensor=text, where={text: text}, got=text, want=text)
    bad: dict[str, Any] = {"reason": text, "replay": text, "ran": {text: text}, "still_right": (text,), "worst": worst}
    told = Cause(backend=text, target=target, spec=text, suite=text, case=text, property=text, sentence=text,
                 marks=(text,), places={text: text}, alternatives=(text,),
                 accounts={target: {f"{text}/{text}/{text}": {text: (text,)}}})  # fmt: skip
    questions = {f"{text}/questions/{text}": text}
    return [
        runs.header((target,), suites=(text, "questions"), specs={text: text}, properties=(text,), command=text,
                    versions={text: {text: text}}, machine={text: text}, questions=questions),
        runs.failed(**names, **bad, property=text),
        runs.verdict(**names, outcome="blind", reason=text, property=f"{text}2"),
        runs.failed(**names, waived=text, property="w"),
        runs.failed(**names, **bad, property="agreement", against=f"{text}2/m/d/{text}"),
        told,
        runs.footer(wrong=(text,)),
    ]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_is_shown_and_never_obeyed(text: str) -> None:
    table = Table((text,), ((text, text),))
    page = shown(hostile(text), hostile(text), pictures=[Picture("p", text, text, "<svg></svg>", table)])
    tags = Words(page).tags
    allowed = {"href", "id", "class", "title", "scope", "role", "colspan", "style", "tabindex", "lang", "charset"}
    allowed |= {"name", "content", "http-equiv", "type", "list", "placeholder", "autocomplete", "spellcheck", "for"}
    allowed |= {"hidden", "checked", "open", "value", "aria-label", "aria-labelledby", "aria-live"}
    allowed |= {"data-run", "data-matrix", "data-property", "data-filter", "data-report"}
    assert {name for _, told in tags for name in told} <= allowed
    assert sum(tag == "script" for tag, _ in tags) == 3  # ours, and the data of two runs
    assert not {"img", "iframe", "object", "link"} & {tag for tag, _ in tags}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    assert len(page) < 1_000_000
    if len(text) < 100 and text.isprintable():
        assert text in Words(page).text  # as it is


def test_nothing_on_the_page_points_outside() -> None:
    page = shown(runs.bad(), runs.good())
    tags = Words(page).tags
    assert not [told for _, told in tags if {"src", "srcset", "action"} & set(told)]
    assert all(told["href"].startswith("#") for tag, told in tags if tag == "a")
    policy = next(str(told["content"]) for tag, told in tags if told.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert not re.search(r"url\(|@import|https?://", CSS)


# --- how it looks ----------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


COLOURS = {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", CSS)}
ON_PAPER = [(name, paper) for name, paper in product(("ink", "muted", "link", "good", "bad", "warn", "error"),
                                                     ("paper", "surface"))]  # fmt: skip
IN_CELLS = [("ink", f"used-{step}") for step in range(4)] + [("on-fill", "bad"), ("on-fill", "error")]


@pytest.mark.parametrize(("text", "ground"), ON_PAPER + IN_CELLS)
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(text: str, ground: str, scheme: int) -> None:
    assert contrast(COLOURS[text][scheme], COLOURS[ground][scheme]) >= 4.5  # WCAG AA


@pytest.mark.parametrize("name", [f"c{number}" for number in range(1, 9)])
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_lines_of_pictures_can_be_seen(name: str, scheme: int) -> None:
    assert contrast(COLOURS[name][scheme], COLOURS["paper"][scheme]) >= 3  # WCAG AA, of graphics


def test_the_contrast_that_is_measured_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize(
    ("z", "said"), [(None, ""), (3.14, "3.1"), (99.4, "99.4"), (123.4, "123"), (9e7, "9e7"), (1.2e15, "1e15")]
)
def test_a_figure_in_a_cell_is_short(z: float | None, said: str) -> None:
    assert short(z) == said

"""The Markdown summary of large runs: a screen of what is wrong, what is well is folded, and the size is bounded."""

from __future__ import annotations

import re

import pytest
import runs

from gradassay._record import Record, Verdict
from gradassay.views.markdown import LARGEST, MOST, OPEN, SHOWN, markdown

MODES = ("eager", "graph", "xla", "jit", "native")
BACKENDS = [f"framework{number}" for number in range(6)]
TARGETS = [f"{backend}/{mode}/cpu/float{bits}" for backend in BACKENDS for mode in MODES for bits in (16, 32, 64)]
REASONS = ["no forward mode", "no ragged batches", "device cuda is not here; there is cpu", "does not offer dropout"]


def well_formed(text: str) -> None:
    """Folds open and close in turn, have empty lines within, and every row of a table has its columns."""
    assert text.endswith("\n") and "\n\n\n" not in text
    lines = text.splitlines()
    open_folds = 0
    for number, line in enumerate(lines):
        if "<details>" in line:
            assert re.fullmatch(r"<details><summary>[^<>]*</summary>", line)
            assert (lines[number - 1], lines[number + 1]) == ("", "")
            open_folds += 1
        if "</details>" in line:
            assert line == "</details>" and lines[number - 1] == ""
            open_folds -= 1
        assert open_folds in (0, 1)
    assert open_folds == 0
    for head in [number for number, line in enumerate(lines) if line.startswith("| target")]:
        columns = len(re.findall(r"(?<!\\)\|", lines[head]))
        assert lines[head - 1] == "" and re.fullmatch(r"(\| ---:? )+\|", lines[head + 1])
        row = head + 1
        while row < len(lines) and lines[row].startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", lines[row])) == columns
            row += 1
        assert row == len(lines) or lines[row] == ""


def large(failures: int, **changes: object) -> list[Record]:
    """Return a run of 90 targets with failures on a third of them, alike by no likeness."""
    bad = TARGETS[::3]
    failed = [
        runs.failed(target=bad[number % len(bad)], case=f"case-{number}", tensor=f"weight_{number}", **changes)
        for number in range(failures)
    ]
    passed = [runs.verdict(target=target, property="values", tensor="y") for target in TARGETS]
    skipped = [runs.skipped(target=target, reason=reason) for target in TARGETS for reason in REASONS]
    wrong = tuple(f"{target} reached no verdict on gradients of lstm" for target in TARGETS)
    return [runs.header(TARGETS), *passed, *failed, *skipped, runs.footer(wrong=wrong)]


def test_a_large_bad_run_is_a_short_page() -> None:
    assert len(TARGETS) == 90
    text = markdown(large(5_000))
    well_formed(text)
    assert len(text.encode()) < 60_000
    assert text.startswith("## Gradassay\n\n**FAILED: 5,000 failed of 5,090 verdicts on 90 targets; ")
    assert "### What is wrong: 5,000 verdicts\n" in text
    assert "\n### 90 targets, 30 wrong\n" in text


@pytest.mark.parametrize("longest", [600, 20_000])
def test_long_words_do_not_make_it_long(longest: int) -> None:
    text = markdown(large(5_000, reason="\n".join(["word " * (longest // 5)] * 50), replay="x" * longest))
    well_formed(text)
    assert len(text.encode()) < 60_000
    assert "replay: `xxx" in text


def test_however_long_names_are_the_page_is_whole_and_bounded() -> None:
    targets = [f"{number}{'|<x>' * 140}/a/b/c" for number in range(300)]
    records = [runs.header(targets), *(runs.verdict(target=target) for target in targets), runs.footer()]
    text = markdown(records)
    well_formed(text)
    assert len(text) < LARGEST + 1000
    assert "(a part that is too long for this page is left out: `gradassay show` has it)" in text


def test_the_first_reports_are_open_and_the_others_folded() -> None:
    text = markdown(large(100))
    top, fold, rest = text.partition("<details><summary>7 more</summary>")
    assert fold
    assert [f"\n{number}. **" in top for number in range(1, SHOWN + 1)] == [n <= OPEN for n in range(1, SHOWN + 1)]
    assert all(f"\n{number}. **" in rest for number in range(OPEN + 1, SHOWN + 1))
    assert "and 90 more, on framework" in rest


def test_the_worst_targets_are_listed_and_the_well_ones_folded() -> None:
    records = [*large(31)[:-1], runs.skipped(target="other/eager/cuda/float32"), runs.footer()]
    text = markdown(records).partition("### 91 targets, 30 wrong\n")[2]
    bad, _, well = text.partition("<details>")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in bad.splitlines() if line.startswith("| framework")]
    assert rows == [TARGETS[0], *TARGETS[3::3][: SHOWN - 1]]  # the first has two failures
    assert "and 20 more: framework2" in bad
    assert well.startswith(
        "<summary>60 targets with nothing wrong: 60 verdicts passed; worst 3.1 of 14.2 noise units; "
        "1 reached no verdict</summary>\n\n| target | passed | skipped | RMS | max | max in |"
    )
    assert well.partition("</details>")[0].count("\n| framework") == 60


def test_a_large_good_run_has_no_table_open() -> None:
    verdicts = [runs.verdict(target=target) for target in TARGETS]
    text = markdown([runs.header(TARGETS), *verdicts, runs.footer()])
    well_formed(text)
    assert "### 90 targets, none wrong\n\n<details><summary>90 targets with nothing wrong: 90 verdicts" in text


def test_more_targets_than_a_page_has_room_for_are_counted() -> None:
    targets = [f"a/m{number}/cpu/float32" for number in range(MOST + 50)]
    verdicts = [runs.verdict(target=target) for target in targets]
    text = markdown([runs.header(targets), *verdicts, runs.footer()])
    well_formed(text)
    assert "\nand 50 more\n\n</details>" in text


def test_a_run_of_few_targets_has_one_table() -> None:
    text = markdown(runs.bad())
    well_formed(text)
    assert "<details>" not in text
    assert text.count("| target |") == 1


def test_many_reasons_are_folded() -> None:
    text = markdown(large(1))
    well_formed(text)
    assert "\n- 360 verdicts skipped, for 4 reasons\n- 1 min 23 s in all\n" in text
    fold = text.partition("<details><summary>why 360 verdicts skipped</summary>")[2]
    assert fold.startswith("\n\n- no forward mode (90: framework0 (15 targets), ")


def questioned(*wrong: int) -> list[Record]:
    """Return a run of twelve questions."""
    names = [f"q{number}" for number in range(12)]
    verdicts: list[Verdict] = [
        runs.verdict(suite="questions", case=name, outcome="failed" if number in wrong else "passed")
        for number, name in enumerate(names)
    ]
    questions = {f"lstm/questions/{name}": f"What of {name}?" for name in names}
    return [runs.header(suites=("questions",), questions=questions), *verdicts, runs.footer()]


def test_questions_with_a_wrong_answer_are_open() -> None:
    text = markdown(questioned(3, 7))
    well_formed(text)
    section = text.partition("### Questions\n\n")[2]
    assert section.startswith("- What of q3? `q3`: wrong on 1 target")
    assert section.partition("<details>")[2].startswith("<summary>10 questions with nothing wrong</summary>")
    assert "### Questions\n\n<details><summary>12 questions" in markdown(questioned())


def test_a_shard_says_which_it_is() -> None:
    assert markdown([runs.header(shard="2/4"), runs.verdict(), runs.footer()]).startswith("## Gradassay, shard 2/4\n")


def test_a_summary_line_is_text_and_no_markup() -> None:
    worst = runs.verdict(target="<script>/a/b/c", limit_max=None)
    others = [runs.verdict(target=target) for target in TARGETS]
    text = markdown([runs.header(TARGETS), worst, *others, runs.footer()])
    well_formed(text)
    assert "<script>" not in text


def test_a_text_of_several_lines_keeps_them() -> None:
    text = markdown([runs.header(), runs.failed(reason="first\nsecond\nthird", ran={}), runs.footer()])
    assert "   - reason: first\\\n     second\\\n     third\n   - replay: " in text

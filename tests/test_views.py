from __future__ import annotations

import io
import re
from collections.abc import Iterable

import msgspec
import pytest
import runs
from rich.console import Console

from gradassay._record import Cause, Record, Verdict
from gradassay.views._summary import Summary
from gradassay.views._words import grouped, printable, seconds, several_lines, units
from gradassay.views.check import explanation
from gradassay.views.markdown import escape, markdown
from gradassay.views.progress import Progress
from gradassay.views.terminal import render


class Screen:
    """A console that keeps what it was sent, and knows its encoding as a real one does."""

    def __init__(self, *, encoding: str = "utf-8", terminal: bool = False, width: int = 80, dumb: bool = False) -> None:
        self._bytes = io.BytesIO()
        file = io.TextIOWrapper(self._bytes, encoding=encoding, write_through=True)
        environment = {"TERM": "dumb" if dumb else "xterm-256color"}
        self.console = Console(file=file, force_terminal=terminal, width=width, _environ=environment)
        self._encoding = encoding

    @property
    def text(self) -> str:
        return self._bytes.getvalue().decode(self._encoding)


def shown(records: Iterable[Record], *, failed_only: bool = False, width: int = 80, encoding: str = "utf-8") -> str:
    screen = Screen(width=width, encoding=encoding)
    render(records, screen.console, failed_only=failed_only)
    return screen.text


def last(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2]


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# --- the last line ---------------------------------------------------------------------------------------------


def test_a_good_run_ends_in_one_line_that_says_so() -> None:
    assert last(shown(runs.good())) == (
        "All 6 verdicts passed on 3 targets; 1 skipped; worst 5.5 of 14.2 noise units "
        "(torch/native/cpu/bfloat16, gradients, x in wide/ragged)"
    )


def test_a_single_verdict_is_spelled_as_one() -> None:
    records = [runs.header(runs.TARGETS[1:2]), runs.verdict(max=None), runs.footer()]
    assert last(shown(records)) == "The one verdict passed on 1 target"


def test_a_bad_run_ends_in_failed_and_how_many() -> None:
    assert last(shown(runs.bad())) == "FAILED: 1 failed of 7 verdicts on 3 targets; 1 skipped"


def test_an_errored_and_a_blind_verdict_are_counted_by_their_own_words() -> None:
    records = runs.bad()
    records[-1:-1] = [runs.verdict(outcome="errored", reason="hung"), runs.verdict(outcome="blind", reason="noise")]
    assert last(shown(records)) == "FAILED: 1 failed and 1 errored of 9 verdicts on 3 targets; 1 blind; 1 skipped"


def test_what_is_wrong_with_the_run_as_a_whole_fails_it_though_every_verdict_passed() -> None:
    records = [*runs.good()[:-1], runs.footer(wrong=("jax/jit/cpu/float32 reached no verdict on gradients",))]
    text = shown(records)
    assert last(text) == (
        "FAILED: 6 verdicts passed on 3 targets, but jax/jit/cpu/float32 reached no verdict on gradients; 1 skipped"
    )
    assert "What is wrong with the run as a whole\n  jax/jit/cpu/float32 reached no verdict on gradients\n" in text
    assert not Summary.of(records).well


def test_many_reasons_are_cut_in_the_line_and_at_ten_above_it() -> None:
    wrong = tuple(f"target {number} reached no verdict" for number in range(13))
    text = shown([*runs.bad()[:-1], runs.footer(wrong=wrong)])
    assert "target 0 reached no verdict, target 1 reached no verdict and 11 more" in last(text)
    assert "  target 9 reached no verdict\n  and 3 more\n" in text


def test_a_killed_run_is_incomplete_and_not_well() -> None:
    records = runs.good()[:-1]
    assert last(shown(records)) == "INCOMPLETE: the run stopped after 7 verdicts, none wrong; 1 skipped"
    assert not Summary.of(records).well
    stopped = [*records, runs.footer(complete=False)]
    assert last(shown(stopped)).startswith("INCOMPLETE: the run stopped after 7 verdicts")
    assert last(shown(runs.bad()[:-1])).startswith(
        "FAILED: 1 failed of 7 verdicts on 3 targets; the run stopped after 8"
    )


def test_a_run_that_verified_nothing_fails() -> None:
    for records in ([runs.header(), runs.footer()], [runs.header(), runs.skipped(), runs.footer()]):
        assert last(shown(records)).startswith("FAILED: nothing was verified: no verdict passed or failed")
        assert not Summary.of(records).well


def test_no_records_at_all_are_still_a_verdict() -> None:
    assert last(shown([])) == "INCOMPLETE: the run stopped after 0 verdicts, none wrong"


def test_a_blind_verdict_with_enormous_figures_is_no_worst_one() -> None:
    records = runs.good()
    records.insert(1, runs.verdict(outcome="blind", reason="noise as large as the value", max=1e9, rms=1e8))
    text = shown(records)
    assert "worst 5.5 of 14.2" in last(text)
    assert "1.0e+09" not in text


# --- the table -------------------------------------------------------------------------------------------------


def test_a_target_has_one_row_under_its_backend_and_versions() -> None:
    text = shown(runs.bad())
    assert "torch (torch 2.13.0, oneDNN 3.11)\n" in text
    head = next(line for line in text.splitlines() if "RMS" in line and "target" in line)
    row = next(line for line in text.splitlines() if line.startswith("  native/cpu/float32 "))
    assert head.split()[:6] == ["target", "passed", "failed", "skipped", "RMS", "max"]
    assert row.split()[:6] == ["native/cpu/float32", "2", "1", "1", "12.1", "57.3"]
    assert "blind" not in head  # a column that holds nothing is left out


def test_a_wide_console_says_which_tensor_is_the_worst() -> None:
    rows = [line for line in shown(runs.bad(), width=120).splitlines() if line.startswith("  native/cpu")]
    assert rows[1].endswith("57.3  gradients weight_hh_l1_reverse")


def test_a_target_without_a_verdict_is_still_in_the_table() -> None:
    text = shown([runs.header((*runs.TARGETS, "jax/jit/cpu/float32")), *runs.good()[1:]])
    assert re.search(r"^jax\n  jit/cpu/float32 +- +- +- +-$", text, re.MULTILINE)


def test_no_line_of_the_report_is_wider_than_the_console_but_what_is_to_be_copied() -> None:
    records = runs.bad()
    records[1:1] = [runs.skipped(target=f"jax/mode{number}/cpu/float32", reason="no " * 90) for number in range(4)]
    *lines, verdict_line = shown(records).rstrip().splitlines()
    assert [line for line in lines if len(line) > 80 and not line.lstrip().startswith("replay ")] == []
    assert verdict_line.startswith("FAILED")


# --- a failing verdict -----------------------------------------------------------------------------------------


def test_a_failing_verdict_says_everything() -> None:
    text = shown(runs.bad())
    block = text[text.index("What is wrong") : text.index("FAILED")]
    words = one_line(block)
    assert "What is wrong: 1 verdict on 1 target" in words
    assert "1. torch/native/cpu/float32: gradients of weight_hh_l1_reverse failed in wide/ragged (lstm)" in words
    assert "got 0.12345 " in words
    assert "should be 0.12341 ± 1.2e-08 (one noise unit)" in words
    assert "where layer 1, direction reverse, gate f, unit 3, feature 0 (at [23, 0])" in words
    assert "how far 57.3 noise units at most (limit 14.2), RMS 12.1 (limit 4.0), 400 elements" in words
    assert "still right x, h0 " in words
    assert "reason RMS 12.1 is above 4" in words
    assert "what ran kernel=oneDNN" in words
    assert "     replay      gradassay verify torch/native/cpu/float32 --suite wide --case wide/ragged " in block


def test_a_failing_verdict_of_a_case_with_a_question_says_what_it_asks() -> None:
    header = runs.header(questions={"lstm/wide/wide/ragged": "Is padding ignored?", "lstm/smoke/one": "Is one right?"})
    records = [header, *runs.bad()[1:]]
    assert "(lstm)\n     asks        Is padding ignored?\n     got         0.12345\n" in shown(records)
    assert "   - asks: Is padding ignored?\n" in markdown(records)
    assert "asks" not in shown(runs.bad()) + shown([header, runs.failed(spec="mse"), runs.footer()])


def test_the_replay_command_is_one_line_at_any_width() -> None:
    replay = runs.failed().replay
    assert len(replay) > 60
    assert any(line.endswith(replay) for line in shown(runs.bad(), width=60).splitlines())


def test_failing_verdicts_come_last_before_the_verdict_line() -> None:
    text = shown(runs.bad())
    assert text.index("Time\n") < text.index("What is wrong") < text.index("FAILED")


def test_a_structural_zero_and_an_answer_that_is_not_finite_say_so() -> None:
    zero = msgspec.structs.replace(runs.WORST, want="0", got="0.001", sigma=0.0, z=None, kind="structural zero")
    infinite = msgspec.structs.replace(runs.WORST, got="nan", sigma=None, z=None, kind="not finite")
    text = one_line(shown([runs.header(), runs.failed(worst=zero, max=None, rms=None), runs.footer()]))
    assert "got 0.001 should be 0, exactly: nothing can reach this element" in text
    assert "how far" not in text
    text = one_line(shown([runs.header(), runs.failed(worst=infinite, max=None, rms=None), runs.footer()]))
    assert "got nan should be 0.12341 no finite noise unit" in text


def test_other_tensors_of_the_request_are_named_with_how_far() -> None:
    records = [
        runs.header(),
        runs.failed(tensor="b", max=20.0, still_right=()),
        runs.failed(tensor="a", still_right=()),
        runs.footer(),
    ]
    text = one_line(shown(records))
    assert "gradients of a failed" in text  # the worst comes first
    assert "also wrong b (20.0)" in text
    assert "still right no other tensor of this request" in text


def test_the_worst_element_of_another_tensor_is_named() -> None:
    text = one_line(shown([runs.header(), runs.failed(tensor="all"), runs.footer()]))
    assert "where weight_hh_l1_reverse: layer 1" in text


def test_an_element_without_words_has_its_index() -> None:
    bare = msgspec.structs.replace(runs.WORST, where={}, index=(2,))
    assert "where [2] " in one_line(shown([runs.header(), runs.failed(worst=bare), runs.footer()]))


def test_a_scalar_has_no_place() -> None:
    scalar = msgspec.structs.replace(runs.WORST, where={}, index=())
    text = shown([runs.header(), runs.failed(worst=scalar), runs.footer()])
    assert "should be" in text
    assert "where" not in text


def test_the_most_frequent_cause_of_a_target_comes_first() -> None:
    rare = runs.failed(property="adjoint", tensor="<v, J u>")
    often = [runs.failed(case=f"wide/{number}") for number in range(3)]
    text = shown([runs.header(), rare, *often, runs.footer()])
    assert text.index("1. torch/native/cpu/float32: gradients") < text.index("2. torch/native/cpu/float32: adjoint")


def test_failures_alike_are_one_entry() -> None:
    alike = [runs.failed(case=f"wide/{number}") for number in range(5)]
    text = one_line(shown([runs.header(), *alike, runs.footer()]))
    assert "and alike 4 more requests of 4 cases on torch/native/cpu/float32" in text
    assert " 2. " not in text


def test_at_most_ten_are_explained_and_each_target_has_its_first_among_them() -> None:
    many = [runs.failed(tensor=f"t{number}", case=f"wide/{number}") for number in range(14)]
    other = runs.failed(target=runs.TARGETS[0], tensor="y", property="values")
    text = shown([runs.header(), *many, other, runs.footer()])
    entries = re.findall(r"^ +\d+\. (\S+):", text, re.MULTILINE)
    assert len(entries) == 10
    assert entries[:2] == [runs.TARGETS[1], runs.TARGETS[0]]
    assert "     and 5 more, on torch/native/cpu/float32\n" in text


def test_an_errored_verdict_shows_the_first_line_and_the_last_of_its_reason() -> None:
    reason = "\n".join(["Traceback", *(f"frame {number}" for number in range(30)), "ValueError: no kernel"])
    error = runs.verdict(outcome="errored", property="jacobian", tensor="", max=None, rms=None, reason=reason)
    text = shown([runs.header(), error, runs.footer()])
    assert "torch/native/cpu/float32: jacobian errored in wide/ragged (lstm)" in one_line(text)
    assert "     reason      Traceback\n                 (24 more lines in the record)\n" in text
    assert "                 ValueError: no kernel\n" in text
    assert "frame 3\n" not in text


def test_an_error_without_a_reason_says_that_none_was_recorded() -> None:
    error = runs.verdict(outcome="errored", max=None, rms=None)
    assert "reason no reason was recorded" in one_line(shown([runs.header(), error, runs.footer()]))


# --- causes -----------------------------------------------------------------------------------------------------


def caused(*causes: Cause, verdicts: Iterable[Record] = ()) -> list[Record]:
    return [runs.header(), runs.failed(), *verdicts, *causes, runs.footer()]


def test_a_cause_is_the_title_and_what_it_leaves_over_is_said() -> None:
    text = shown(caused(runs.cause()))
    assert "What is wrong: 1 verdict on 1 target, of 1 cause\n" in text
    assert "  1. torch: the gate order is i, f, o, g; should be i, f, g, o\n" in text
    words = one_line(text)
    assert "shows in gradients of weight_hh_l1_reverse, in wide/ragged on torch/native/cpu/float32" in words
    assert "left over 1.1 noise units RMS (3.2 at most), of 3.3e+07" in words
    assert "replay" in text
    assert "1. **torch: the gate order is i, f, o, g; should be i, f, g, o**" in markdown(caused(runs.cause()))


def test_what_cannot_be_told_apart_is_listed() -> None:
    words = one_line(shown(caused(runs.cause(alternatives=("a", "b", "c", "d", "e")))))
    assert "or a: the same here or b: the same here or c: the same here and 2 more explanations that cannot" in words
    assert "d: the same" not in words


def test_an_unexplained_failure_says_how_many_hypotheses_there_were() -> None:
    text = shown(caused(runs.cause(sentence="", rms=None, max=None)))
    assert "  1. torch/native/cpu/float32: gradients of weight_hh_l1_reverse failed" in text
    assert "     cause       unexplained: none of 150 hypotheses gives these numbers\n" in text


def test_a_diagnosis_that_ran_out_of_time_says_so() -> None:
    text = one_line(shown(caused(runs.cause(sentence="", stopped=True))))
    assert "cause not found in the time there was: that for diagnosing was over" in text


def test_marks_and_places_are_shown() -> None:
    cause = runs.cause(
        marks=("h0: None, which says 'no gradient'", "c0: exactly 0 everywhere"),
        places={
            "weight_hh_l1_reverse": "gate f (9 of 36 elements)",
            "x": "from step 16 on (8 of 9)",
            "h0": "all of it",
        },
    )
    text = shown(caused(cause))
    assert "     means       h0: None, which says 'no gradient'\n                 c0: exactly 0 everywhere\n" in text
    assert "     wrong at    gate f (9 of 36 elements)\n                 x: from step 16 on (8 of 9)\n" in text
    assert "h0: all of it" not in text


def test_one_mistake_is_one_report_and_the_simplest_question_is_shown() -> None:
    more = [runs.failed(case=f"wide/{number}", tensor="y", property="values", max=9e9) for number in range(300)]
    accounts = {
        runs.TARGETS[1]: {
            "lstm/wide/wide/ragged": {"gradients": ("weight_hh_l1_reverse",)},
            **{f"lstm/wide/wide/{number}": {"values": ("y",)} for number in range(300)},
        }
    }
    text = shown([runs.header(), *more, runs.failed(), runs.cause(accounts=accounts, verdicts=301), runs.footer()])
    words = one_line(text)
    assert "What is wrong: 301 verdicts on 1 target, of 1 cause" in words
    assert " 2. " not in words
    assert "shows in gradients of weight_hh_l1_reverse, in wide/ragged" in words
    assert "and alike 300 more requests of 300 cases on torch/native/cpu/float32: values 300" in words
    assert len(text.splitlines()) < 60


def test_what_a_cause_does_not_account_for_is_listed_after_it() -> None:
    text = shown(caused(runs.cause(), verdicts=[runs.failed(tensor="x", max=1e9)]))
    assert text.index("1. torch: the gate order") < text.index("2. torch/native/cpu/float32: gradients of x failed")
    assert "of 2 causes" in text


def test_an_explanation_for_pytest_holds_the_cause() -> None:
    text = explanation([runs.failed()], [runs.cause(), runs.cause(sentence="of another verdict", accounts={})])
    assert text.startswith("torch: the gate order is i, f, o, g; should be i, f, g, o\n  shows in ")
    assert "of another verdict" not in text


def test_failed_only_leaves_the_rest_out() -> None:
    text = shown(runs.bad(), failed_only=True)
    assert text.startswith("What is wrong: 1 verdict")
    assert "Time" not in text
    assert last(text).startswith("FAILED")
    assert shown(runs.good(), failed_only=True) == last(shown(runs.good())) + "\n"


# --- the other sections ----------------------------------------------------------------------------------------


QUESTIONS = {
    "lstm/questions/single": "What are the gradients of a single step, and of all that makes this a long one?",
    "lstm/questions/jacobian": "What is the *full* Jacobian dy/dx?",
    "lstm/wide/ragged": "Is this of another suite?",
}


def asked(case: str, target: str = runs.TARGETS[1], **changes: object) -> Verdict:
    return runs.verdict(target=target, suite="questions", case=case, **changes)


def questioned(*verdicts: Verdict, **changes: object) -> list[Record]:
    header = runs.header(**({"suites": ("smoke", "questions"), "questions": QUESTIONS} | changes))
    return [header, *verdicts, runs.footer()]


def test_each_question_is_listed_once_with_its_answer() -> None:
    a, b, c = runs.TARGETS
    records = questioned(
        *(asked("single", target, property=name) for target in (a, b) for name in ("values", "gradients")),
        asked("single", c, outcome="skipped", reason="no bfloat16"),
        asked("jacobian", a),
        asked("jacobian", b),
        asked("jacobian", b, property="jacobian", outcome="failed"),
        asked("jacobian", c),
        asked("jacobian", c, property="jacobian", outcome="skipped"),
        asked("jacobian", c, property="gradients", tensor="h0", outcome="blind"),
    )
    section = shown(records).partition("Questions\n")[2].partition("\n\n")[0]
    assert section.splitlines() == [
        "  What are the gradients of a single step, and of all that makes this a long",
        "  one?",
        "    single: right on 2 targets; skipped on 1",
        "  What is the *full* Jacobian dy/dx?",
        "    jacobian: right on 1 target; in part on 1 (jacobian skipped, gradients",
        f"      blind); wrong on 1: {b}",
    ]
    assert max(map(len, section.splitlines())) <= 80
    assert "### Questions\n\n- What are the gradients" in markdown(records)
    assert "- What is the \\*full\\* Jacobian dy/dx? `jacobian`: right on 1 target; in part on 1" in markdown(records)


def test_a_question_that_no_target_answered_says_so() -> None:
    text = shown(
        questioned(
            asked("", runs.TARGETS[0], outcome="errored", reason="no start"),  # of every case
            asked("jacobian", runs.TARGETS[1], outcome="blind"),
            asked("jacobian", runs.TARGETS[2], outcome="not applicable"),
            asked("jacobian", runs.TARGETS[1], spec="mse", outcome="failed"),
            asked("jacobian", runs.TARGETS[1], against=runs.TARGETS[0], outcome="failed"),  # under Agreement
        )
    )
    assert f"    single: errored on 1 target: {runs.TARGETS[0]}\n" in text
    assert f"    jacobian: errored on 1 target: {runs.TARGETS[0]}; blind on 1\n" in text
    assert "    single: no verdict\n" in shown(questioned())


def test_questions_are_listed_when_their_suite_was_asked_alone() -> None:
    for records in (questioned(asked("single"), suites=("wide",)), questioned(asked("single"), questions={})):
        assert "Questions\n" not in shown(records) + markdown(records)
    assert "Questions\n" not in shown(questioned(asked("single")), failed_only=True)


def test_agreement_counts_pairs_and_names_those_that_do_not() -> None:
    a, b, c = "jax/eager/cpu/float32", "jax/jit/cpu/float32", "jax/eager/cpu:1/float32"
    agreement = [
        runs.verdict(target=a, against=b, property="agreement"),
        runs.verdict(target=a, against=b, property="agreement", tensor="y"),
        runs.failed(target=a, against=c, property="agreement", tensor="y"),
        runs.verdict(target=c, against=runs.TARGETS[1], property="agreement"),
    ]
    records = [*runs.good()[:-1], *agreement, runs.footer()]
    text = shown(records)
    assert "  between modes: 1 of 1 pairs agree\n" in text
    assert "  between devices: 0 of 1 pairs agree\n" in text
    assert "  between backends: 1 of 1 pairs agree\n" in text
    assert "  jax/eager/cpu/float32 and jax/eager/cpu:1/float32 do not, in 1 of 1 verdict\n" in text
    words = one_line(text)
    assert f"{a}: agreement of y with {c} failed in wide/ragged" in words
    assert f"should be 0.12341 (that of {c}) ± 1.2e-08" in words
    assert "All" not in last(text)


def test_skipped_verdicts_are_grouped_by_reason() -> None:
    more = [runs.skipped(target=f"jax/m{number}/cpu/float32", reason="no device cuda") for number in range(3)]
    text = shown([*runs.good()[:-1], *more, runs.footer()])
    assert "Skipped: 4 verdicts\n      3  no device cuda: jax (3 targets)\n" in text
    assert "      1  oneDNN has no forward mode: torch/native/cpu/float32\n" in text


def test_more_than_ten_reasons_are_counted() -> None:
    many = [runs.skipped(reason=f"reason {number}") for number in range(12)]
    assert "      2  for 2 more reasons\n" in shown([runs.header(), *many, runs.footer()])


def test_blind_verdicts_are_named_with_their_reason() -> None:
    text = shown(
        [*runs.good()[:-1], runs.verdict(outcome="blind", reason="noise as large as the value"), runs.footer()]
    )
    assert "Blind: 1 verdict\n      1  noise as large as the value: torch/native/cpu/float32\n" in text


def test_the_largest_noise_units_and_their_place() -> None:
    text = one_line(shown(runs.good()))
    assert "Largest noise units, of their limit 4.5 of 14.2 numpy/native/cpu/float64, gradients, x in wide/rag" in text
    assert "5.5 of 14.2 torch/native/cpu/bfloat16, gradients, x in wide/ragged" in text


def test_what_the_run_could_have_seen() -> None:
    assert "  float32   8.0e-07 of a whole tensor, 5.0e-06 of one element\n" in shown(runs.good())


def test_how_the_time_was_spent() -> None:
    text = one_line(shown(runs.good()))
    assert "1 min 23 s in all: frameworks 1 min 01 s, truth 12 s, noise 8.0 s, harness 2.2 s" in text


# --- hostile text and poor consoles ----------------------------------------------------------------------------

HOSTILE = "[red]x[/red] \x1b[31m\x07\r\u202e:smile: \ud800 é中"


def test_markup_escapes_and_control_characters_are_shown_as_text() -> None:
    hostile = runs.failed(
        case=HOSTILE,
        tensor=HOSTILE,
        reason=HOSTILE,
        replay=HOSTILE,
        ran={HOSTILE: HOSTILE},
        still_right=(HOSTILE,),
        worst=msgspec.structs.replace(runs.WORST, where={HOSTILE: HOSTILE}, got=HOSTILE, want=HOSTILE),
    )
    records = [
        runs.header(
            (HOSTILE,),
            suites=(HOSTILE, "questions"),
            versions={HOSTILE.partition("/")[0]: {HOSTILE: HOSTILE}},
            questions={f"lstm/wide/{HOSTILE}": HOSTILE, f"lstm/questions/{HOSTILE}": HOSTILE, "x": HOSTILE},
        ),
        hostile,
        runs.skipped(reason=HOSTILE, target=HOSTILE),
        runs.footer(wrong=(HOSTILE,)),
    ]
    text = shown(records)
    assert "[red]x[/red] \\x1b[31m\\x07\\r\\u202e:smile: \\ud800 é中" in one_line(text)
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}
    assert "\x1b" not in markdown(records)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_without_unicode_gets_ascii(encoding: str) -> None:
    text = shown([*runs.bad()[:-1], runs.skipped(reason="é 中"), runs.footer()], encoding=encoding)
    assert text.isascii()
    assert "0.12341 +/- 1.2e-08 (one noise unit)" in text
    assert "\\xe9 \\u4e2d" in text


def test_a_terminal_has_colour_and_a_dumb_one_has_none() -> None:
    colourful, dumb = Screen(terminal=True), Screen(terminal=True, dumb=True)
    for screen in (colourful, dumb):
        render(runs.bad(), screen.console)
    assert "\x1b[1;31m" in colourful.text
    assert "\x1b" not in dumb.text
    assert re.sub(r"\x1b\[[\d;]*m", "", colourful.text) == dumb.text


def test_words() -> None:
    assert [units(z) for z in (None, 0.04, 3.14, 57.31, 123.4, 12345.6, 1.5e8)] == [
        "-",
        "0.0",
        "3.1",
        "57.3",
        "123",
        "12,346",
        "1.5e+08",
    ]
    assert [seconds(s) for s in (0.04, 9.96, 59.4, 61, 3599, 7800)] == [
        "0.0 s",
        "10 s",
        "59 s",
        "1 min 01 s",
        "59 min 59 s",
        "2 h 10 min",
    ]
    assert printable("x" * 700).endswith("... (100 characters more)")
    assert several_lines("a\n\nb\x00") == ["a", "b\\x00"]
    assert grouped(["a/1", "a/2", "a/2", "b/1", "b/2", "b/3"]) == "a/1, a/2, b (3 targets)"


# --- Markdown --------------------------------------------------------------------------------------------------


def test_markdown_begins_with_the_verdict_and_puts_the_worst_target_first() -> None:
    text = markdown(runs.bad())
    assert text.startswith("## Gradassay\n\n**FAILED: 1 failed of 7 verdicts on 3 targets; 1 skipped**\n")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert rows[0] == "| target | passed | failed | skipped | RMS | max | max in |"
    assert rows[1] == (
        "| torch/native/cpu/float32 | 2 | 1 | 1 | 12.1 | 57.3 of 14.2 | gradients weight_hh_l1_reverse |"
    )
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| torch/native/cpu/bfloat16", "| numpy/native/cpu/float64"]


def test_markdown_explains_a_failing_verdict() -> None:
    text = markdown(runs.bad())
    assert "1. **torch/native/cpu/float32: gradients of weight_hh_l1_reverse failed in wide/ragged (lstm)**\n" in text
    assert "   - should be: 0.12341 ± 1.2e-08 (one noise unit)\n" in text
    assert f"   - replay: `{runs.failed().replay}`\n" in text
    assert "- 1 verdict skipped: oneDNN has no forward mode (1: torch/native/cpu/float32)\n" in text


def test_markdown_escapes_what_would_break_it() -> None:
    assert escape("a|b <b> `c` *d* _e_ [f](g) ~h~ \\ & snake_case\n") == (
        r"a\|b \<b\> \`c\` \*d\* \_e\_ \[f\](g) \~h\~ \\ &amp; snake_case\\n"
    )
    target = "a|b/<script>/cpu/float32"
    text = markdown([runs.header((target,)), runs.verdict(target=target, tensor="p|q"), runs.footer()])
    row = next(line for line in text.splitlines() if line.startswith("| a"))
    assert row == r"| a\|b/\<script\>/cpu/float32 | 1 | 0.9 | 3.1 of 14.2 | gradients p\|q |"


def test_markdown_code_survives_backticks() -> None:
    text = markdown([runs.header(), runs.failed(replay="run `x` ``y``"), runs.footer()])
    assert "   - replay: ``` run `x` ``y`` ```\n" in text


def test_markdown_is_short_however_much_fails() -> None:
    many = [runs.failed(tensor=f"t{number}", case=f"wide/{number}") for number in range(300)]
    text = markdown([runs.header(), *many, runs.footer(wrong=tuple(f"w{number}" for number in range(50)))])
    assert "and 290 more, on torch/native/cpu/float32" in text
    assert "- and 40 more" in text
    assert len(text) < 20_000


# --- progress --------------------------------------------------------------------------------------------------


def test_a_plain_display_writes_one_line_a_finished_target() -> None:
    screen = Screen()
    with Progress({"a/x": 3, "b/x": 1, "c/x": 2, "d/x": 1}, screen.console) as progress:
        for target, outcome in [
            ("a/x", "passed"),
            ("b/x", "skipped"),
            ("a/x", "failed"),
            ("a/x", "passed"),
            ("c/x", "blind"),
        ]:
            progress.advance(target, outcome)
    assert screen.text == "b/x: 1 skipped\na/x: 2 passed, 1 failed\nc/x: 1 blind (stopped at 1 of 2)\n\n"


def test_a_plain_display_says_where_it_is_when_nothing_finishes_for_long() -> None:
    times = iter(range(0, 1000, 7))
    screen = Screen()
    with Progress({"a": 50}, screen.console, clock=lambda: float(next(times))) as progress:
        for _ in range(5):
            progress.advance("a", "passed")
    assert re.search(r"^  [2-4] of 50 done after \d+ s$", screen.text, re.MULTILINE)


def test_a_live_display_shows_the_target_and_leaves_only_the_lines() -> None:
    screen = Screen(terminal=True)
    with Progress({"a/x": 1, "b/x": 5}, screen.console) as progress:
        progress.advance("a/x", "failed")
        progress.advance("b/x", "passed")
        progress.note("compiling [red]\x1b[0m")
    assert "a/x: 1 failed" in screen.text
    assert "b/x, 1 failed" in screen.text
    assert "compiling [red]\\x1b[0m" in screen.text


def test_a_dumb_terminal_gets_plain_lines() -> None:
    screen = Screen(terminal=True, dumb=True)
    with Progress({"é": 1}, screen.console) as progress:
        progress.advance("é", "passed")
    assert screen.text == "é: 1 passed\n\n"


def test_targets_and_steps_that_were_not_planned_are_counted_all_the_same() -> None:
    screen = Screen(encoding="ascii")
    with Progress({"a": 1}, screen.console) as progress:
        for target in ("a", "a", "é"):
            progress.advance(target, "passed")
        progress.note("é")
    assert screen.text == "a: 1 passed\n  \\xe9\n\n"

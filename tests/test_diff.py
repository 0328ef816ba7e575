"""Two runs side by side: each kind of change is found, and is not found where there is none."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import runs
from compared import MACHINE, TARGET, compared, counts, run
from hypothesis import given, settings
from hypothesis import strategies as st

from gradassay._errors import UsageError
from gradassay._record import Footer, Outcome, Verdict, encode
from gradassay.runs._diff import GROUPS
from gradassay.runs._drift import allowed
from gradassay.runs._told import Told
from gradassay.views._regressions import sections, sentence

OTHER = "jax/jit/cpu/float32"


def fails(**changes: Any) -> Verdict:
    return runs.failed(**({"tensor": "x"} | changes))


def skips(**changes: Any) -> Verdict:
    return runs.skipped(**({"property": "gradients", "tensor": "x"} | changes))


# --- one verdict, before and now -------------------------------------------------------------------------------

PASSED, BLIND = runs.verdict(), runs.verdict(outcome="blind")
FAILED, ERRORED, SKIPPED = fails(), runs.verdict(outcome="errored", rms=None, max=None), skips()
WAIVED = fails(waived="https://example.org/1")


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (PASSED, PASSED, ""),
        (PASSED, FAILED, "broken"),
        (PASSED, ERRORED, "broken"),
        (PASSED, WAIVED, "waived"),
        (PASSED, SKIPPED, "lost"),
        (PASSED, BLIND, "lost"),
        (PASSED, None, "lost"),
        (FAILED, PASSED, "fixed"),
        (ERRORED, PASSED, "fixed"),
        (FAILED, ERRORED, "still"),
        (FAILED, WAIVED, "still"),
        (FAILED, SKIPPED, "lost"),  # what fails is not mended by not asking
        (FAILED, None, "lost"),
        (WAIVED, PASSED, "fixed"),
        (WAIVED, FAILED, "still"),
        (SKIPPED, FAILED, "anew"),
        (BLIND, FAILED, "anew"),
        (None, FAILED, "anew"),
        (SKIPPED, PASSED, "new"),
        (None, PASSED, "new"),
        (SKIPPED, WAIVED, "new"),
        (SKIPPED, BLIND, ""),
        (BLIND, None, ""),
        (None, SKIPPED, ""),
    ],
)
def test_a_verdict_is_told_by_what_it_was_and_is(before: Verdict | None, now: Verdict | None, kind: str) -> None:
    other = runs.verdict(tensor="h0")  # so that the question has a verdict in any case
    base, new = (run(other, *([one] if one else [])) for one in (before, now))
    found = compared(base, new)
    assert counts(found) == ({kind: 1} if kind else {})
    assert found.regressed == (kind in ("broken", "anew", "lost"))


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (PASSED, SKIPPED, "unoffered"),
        (PASSED, None, "lost"),
        (PASSED, BLIND, "lost"),
        (FAILED, SKIPPED, "lost"),
        (PASSED, FAILED, "broken"),
    ],
)
@pytest.mark.parametrize("fact", ["cpu", "system", "processor"])
def test_what_another_machine_skips_is_no_regression(
    before: Verdict, now: Verdict | None, kind: str, fact: str
) -> None:
    other = runs.verdict(tensor="h0")
    base = run(other, before)
    new = run(other, *([now] if now else []), machine=MACHINE | {fact: "other"})
    found = compared(base, new)
    assert counts(found) == {kind: 1} and found.fair.elsewhere
    assert found.regressed == (kind != "unoffered")


def test_another_python_on_the_same_machine_offers_the_same() -> None:
    new = run(runs.verdict(tensor="h0"), SKIPPED, machine=MACHINE | {"python": "3.13.0"})
    assert counts(compared(run(runs.verdict(tensor="h0"), PASSED), new)) == {"lost": 1}


# --- verdicts that speak for others ----------------------------------------------------------------------------

TENSORS = [runs.verdict(tensor=tensor) for tensor in ("x", "h0", "c0")]


def crash(**changes: Any) -> Verdict:
    return runs.verdict(**({"outcome": "errored", "tensor": "", "reason": "it crashed"} | changes))


def test_a_property_that_crashes_breaks_every_tensor_that_passed() -> None:
    found = compared(run(*TENSORS), run(crash()))
    assert counts(found) == {"broken": 3}
    assert counts(compared(run(crash()), run(*TENSORS))) == {"fixed": 3}


@pytest.mark.parametrize("level", [{"property": ""}, {"property": "", "suite": "", "case": ""}])
def test_a_case_or_a_target_that_crashes_breaks_all_of_it(level: dict[str, str]) -> None:
    assert counts(compared(run(*TENSORS), run(crash(**level)))) == {"broken": 3}
    assert counts(compared(run(crash(**level)), run(*TENSORS))) == {"fixed": 3}


def test_a_crash_beside_what_was_found_breaks_the_rest() -> None:
    assert counts(compared(run(*TENSORS), run(*TENSORS[:1], crash()))) == {"broken": 2}
    assert counts(compared(run(*TENSORS), run(*TENSORS, crash()))) == {"broken": 1}
    assert counts(compared(run(*TENSORS, crash()), run(*TENSORS))) == {"fixed": 1}


def test_a_property_that_is_skipped_loses_every_tensor_with_its_reason() -> None:
    found = compared(run(*TENSORS), run(skips(tensor="", reason="no backward pass")))
    assert counts(found) == {"lost": 3}
    [section] = sections(found)
    assert section.alike == "skipped: no backward pass"
    assert not any(entry.how for entry in section.entries)


def test_a_skip_beside_all_that_was_found_loses_nothing() -> None:
    assert not counts(compared(run(*TENSORS), run(*TENSORS, skips(tensor=""))))


def test_the_closest_verdict_speaks() -> None:
    target = {"property": "", "suite": "", "case": "", "tensor": ""}
    new = run(skips(**target, reason="no device"), crash())
    assert counts(compared(run(*TENSORS), new)) == {"broken": 3}


def test_an_answer_that_is_now_the_same_bit_for_bit_has_no_verdict_and_is_not_lost() -> None:
    """What is called "y of vjp" is judged where it is not the very bits of y."""
    y, again = (runs.verdict(property="values", tensor=name) for name in ("y", "y of vjp"))
    assert not counts(compared(run(y, again), run(y)))
    assert not counts(compared(run(y), run(y, again)))
    wrong = fails(property="values", tensor="y of vjp")
    assert counts(compared(run(y), run(y, wrong))) == {"broken": 1}
    assert counts(compared(run(y, again), run(runs.verdict(tensor="x")))) == {"lost": 2, "new": 1}


def test_a_pair_of_targets_is_the_same_in_either_order() -> None:
    pair = {"property": "agreement", "tensor": ""}
    a, b = runs.verdict(target=TARGET, against=OTHER, **pair), runs.verdict(target=OTHER, against=TARGET, **pair)
    targets = (TARGET, OTHER)
    assert not counts(compared(run(a, targets=targets), run(b, targets=targets)))
    apart = runs.failed(target=OTHER, against=TARGET, property="agreement", tensor="")
    assert counts(compared(run(a, targets=targets), run(apart, targets=targets))) == {"broken": 1}


def test_a_disagreement_is_told_under_the_target_that_disagrees_most() -> None:
    others = [f"jax/m{number}/cpu/float32" for number in range(5)]
    pairs: dict[str, Any] = {"target": TARGET, "property": "agreement", "tensor": ""}
    base = run(*(runs.verdict(against=other, **pairs) for other in others), targets=(TARGET, *others))
    new = run(*(runs.failed(against=other, **pairs) for other in others), targets=(TARGET, *others))
    [section] = sections(compared(base, new))
    assert [(entry.number, entry.what) for entry in section.entries] == [(5, f"{TARGET}: agreement")]


def test_a_tensor_that_is_said_twice_is_held_against_its_own() -> None:
    assert counts(compared(run(PASSED, PASSED), run(PASSED, FAILED))) == {"broken": 1}
    assert counts(compared(run(PASSED, PASSED), run(PASSED))) == {"lost": 1}


# --- what was not asked is not lost ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": runs.TARGETS[:1]},
        {"suites": ("smoke",)},
        {"properties": ("values",)},
        {"specs": {"mse": "2"}},
        {"cases": ("one",)},
        {"shard": "2/4"},
    ],
)
def test_what_the_new_run_was_not_asked_is_named_and_not_lost(changes: dict[str, Any]) -> None:
    found = compared(run(*TENSORS), run(runs.verdict(target=runs.TARGETS[0], suite="smoke", case="one"), **changes))
    assert counts(found) == {"unasked": 3, "new": 1}
    assert not found.regressed


def test_a_case_that_is_gone_though_all_was_asked_is_lost() -> None:
    assert counts(compared(run(*TENSORS, runs.verdict(case="wide/long")), run(*TENSORS))) == {"lost": 1}


def test_a_tensor_that_is_gone_from_what_was_asked_is_lost_in_any_selection() -> None:
    assert counts(compared(run(*TENSORS), run(*TENSORS[:2], suites=("wide",)))) == {"lost": 1}


def test_a_pair_is_lost_only_if_both_were_asked() -> None:
    pair = runs.verdict(target=TARGET, against=OTHER, property="agreement", tensor="")
    base = run(pair, *TENSORS, targets=(TARGET, OTHER))
    assert counts(compared(base, run(*TENSORS, targets=(TARGET, OTHER)))) == {"lost": 1}
    assert counts(compared(base, run(*TENSORS, targets=(TARGET,)))) == {"unasked": 1}


def test_a_killed_run_is_no_pass() -> None:
    found = compared(run(*TENSORS), run(*TENSORS, complete=False))
    assert not counts(found)
    assert found.regressed
    assert sentence(found) == "INCOMPLETE: NEW stopped early; nothing else is wrong of 3 verdicts on 1 target"
    assert counts(compared(run(*TENSORS), run(*TENSORS[:1], complete=False))) == {"lost": 2}
    assert not compared(run(*TENSORS, complete=False), run(*TENSORS)).regressed


def test_what_is_wrong_with_the_run_as_a_whole_counts_when_it_is_new() -> None:
    wrong = runs.footer(wrong=("torch reached no verdict on gradients",))
    bad = [*run(*TENSORS)[:-1], wrong]
    assert compared(run(*TENSORS), bad).regressed
    assert not compared(bad, bad).regressed


# --- drift -----------------------------------------------------------------------------------------------------


def cases(scale: float = 1.0, number: int = 10, **changes: Any) -> list[Verdict]:
    return [
        runs.verdict(**({"case": f"wide/{n}", "rms": scale * (0.9 + n / 50), "max": 3.0 * scale} | changes))
        for n in range(number)
    ]


def test_noise_units_that_grow_beyond_the_factor_drift_and_back_they_improve() -> None:
    base, new = run(*cases()), run(*cases(1.8))
    found = compared(base, new)
    assert counts(found) == {"drifted": 1}
    assert found.regressed
    [moved] = found.drift.worse
    assert (round(moved.before, 2), round(moved.now, 2), moved.kind, moved.verdicts) == (0.99, 1.78, "RMS", 10)
    back = compared(new, base)
    assert counts(back) == {"improved": 1}
    assert not back.regressed


def test_noise_units_that_grow_less_do_not() -> None:
    assert not counts(compared(run(*cases()), run(*cases(1.4))))
    assert counts(compared(run(*cases()), run(*cases(1.4)), factor=1.2)) == {"drifted": 1}


def test_few_elements_may_scatter_more() -> None:
    few = {"elements": 4, "number": 2}
    assert not counts(compared(run(*cases(**few)), run(*cases(1.8, **few))))
    assert counts(compared(run(*cases(**few)), run(*cases(3.0, **few)))) == {"drifted": 1}
    assert allowed(1.5, 1) == 4.5
    assert 1.5 < allowed(1.5, 10_000) < 1.54


def test_one_case_of_many_that_scatters_is_no_drift_but_one_that_uses_up_its_limit_is() -> None:
    def with_one(largest: float) -> list[Any]:
        return run(*cases(number=9), runs.verdict(case="wide/long", max=largest))

    assert not counts(compared(with_one(2.0), with_one(5.0)))
    found = compared(with_one(3.0), with_one(7.1))
    [moved] = found.drift.worse
    assert (moved.kind, round(moved.before, 3), moved.now) == ("max", 0.211, 0.5)
    assert sections(found)[0].entries[0].how == ("21% -> 50% of its limit: 3.0 -> 7.1 noise units (wide/long)")


def test_what_is_far_below_the_noise_may_grow() -> None:
    assert not counts(compared(run(*cases(0.01)), run(*cases(0.3))))


def test_only_what_passed_in_both_drifts() -> None:
    assert counts(compared(run(*cases()), run(*cases(30.0, outcome="blind")))) == {"lost": 10}


def test_repeats_of_the_old_run_silence_a_drift_and_not_a_bigger_one() -> None:
    base, repeat = run(*cases()), Told.of(run(*cases(1.6)))
    assert counts(compared(base, run(*cases(1.9)))) == {"drifted": 1}
    assert not counts(compared(base, run(*cases(1.9)), repeats=[repeat]))
    found = compared(base, run(*cases(2.7)), repeats=[repeat])
    assert counts(found) == {"drifted": 1}
    assert round(found.drift.worse[0].before, 2) == 1.59  # measured from the nearest of the repeats
    assert not counts(compared(run(*cases(2.0)), run(*cases(1.2)), repeats=[repeat]))


def test_a_repeat_that_has_not_all_of_it_is_no_other_floor() -> None:
    repeat = Told.of(run(*cases(number=1)))
    assert counts(compared(run(*cases()), run(*cases(1.8)), repeats=[repeat])) == {"drifted": 1}


@pytest.mark.parametrize("changes", [{"limits": "2"}, {"machine": {}}])
def test_drift_in_an_unfair_comparison_is_told_and_does_not_count(changes: dict[str, Any]) -> None:
    found = compared(run(*cases()), run(*cases(1.8), **changes))
    assert counts(found) == {"drifted": 1}
    assert not found.regressed
    assert sentence(found) == (
        "No regression: 10 verdicts on 1 target compared, none broken or lost; "
        "1 tensor drifted, which does not count: the comparison is not fair"
    )


def test_cases_whose_bits_differ_do_not_drift_but_break() -> None:
    assert not counts(compared(run(*cases()), run(*cases(1.8), digest="00fe")))
    found = compared(run(*cases()), run(*cases(outcome="failed"), digest="00fe"))
    assert counts(found) == {"broken": 10}
    assert found.regressed


def test_what_two_targets_differ_by_does_not_drift() -> None:
    """It moves with either of them, and both are looked at."""
    pairs = {"property": "agreement", "tensor": "", "against": OTHER}
    assert not counts(compared(run(*cases(**pairs)), run(*cases(1.8, **pairs))))


def test_how_many_noise_units_moved_at_all() -> None:
    found = compared(run(*cases()), run(*cases(number=9), runs.verdict(case="wide/9", rms=1.2, max=3.0)))
    assert (found.drift.figures, found.drift.changed) == (10, 1)
    assert compared(run(*cases()), run(*cases(1.0001))).drift.changed == 0  # a baseline has four digits


# --- words -----------------------------------------------------------------------------------------------------


def test_hundreds_of_changes_are_at_most_ten_lines() -> None:
    def many(**changes: Any) -> list[Verdict]:
        return [
            runs.verdict(property=f"p{p}", tensor=f"t{t}", target=f"b{b}/m/cpu/float32", **changes)
            for b in range(12)
            for p in range(5)
            for t in range(15)
        ]

    targets = tuple(f"b{b}/m/cpu/float32" for b in range(12))
    found = compared(run(*many(), targets=targets), run(*many(outcome="failed"), targets=targets))
    [section] = sections(found)
    assert section.title == "Broken: 900 verdicts, passed before and failing now"
    assert [(e.number, e.what) for e in section.entries[:1]] == [(75, "b0/m/cpu/float32: p0, p1, p2 and 2 more")]
    assert (len(section.entries), section.more) == (10, "and 150 more, of 2 backends")


def test_lines_are_as_fine_as_there_is_room_for() -> None:
    def entries(number: int) -> list[str]:
        tensors = [f"t{n}" for n in range(number)]
        new = run(*(fails(tensor=tensor) for tensor in tensors))
        [section] = sections(compared(run(*(runs.verdict(tensor=tensor) for tensor in tensors)), new))
        return [entry.what for entry in section.entries]

    assert entries(2) == [f"{TARGET}: gradients of t0", f"{TARGET}: gradients of t1"]
    assert entries(11) == [f"{TARGET}: gradients of 11 tensors"]


def test_the_worst_is_shown_with_its_command_and_the_cause_that_was_found() -> None:
    base = run(runs.verdict(tensor="weight_hh_l1_reverse"))
    new = [*run(runs.failed())[:-1], runs.cause(), runs.footer()]
    [section] = sections(compared(base, new))
    assert section.entries[0].how == "3.1 -> 57.3 of 14.2 noise units (wide/ragged)"
    assert section.why == ("torch: the gate order is i, f, o, g; should be i, f, g, o",)
    assert section.replay == runs.failed().replay


def test_a_verdict_without_a_command_gets_the_one_that_follows_from_it() -> None:
    [section] = sections(compared(run(*TENSORS[:1]), run(runs.verdict(case="wide/long"))))[:1]
    assert (
        section.replay == f"gradassay verify {TARGET} --spec lstm --suite wide --case wide/ragged --property gradients"
    )


def test_the_sentence_counts_what_regressed_first() -> None:
    base = run(*cases(), runs.verdict(tensor="a"), runs.verdict(tensor="b"), fails(tensor="c"))
    new = run(*cases(1.8), fails(tensor="a"), runs.verdict(tensor="c"), fails(tensor="d"))
    assert sentence(compared(base, new)) == (
        "REGRESSED: 1 broken, 1 lost, 1 tensor drifted of 13 verdicts on 1 target; "
        "1 failing that had not been reached before; 1 fixed"
    )


# --- any two runs ----------------------------------------------------------------------------------------------

OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "blind", "errored", "skipped", "not applicable")


@st.composite
def any_run(draw: st.DrawFn) -> list[Any]:
    """A run with any outcomes at every level, some of which speak for others, and any part of a selection."""
    held: dict[tuple[str, ...], Verdict] = {}
    for _ in range(draw(st.integers(1, 12))):
        target = draw(st.sampled_from(runs.TARGETS))
        case = draw(st.sampled_from(["", "wide/a", "wide/b"]))
        asked = draw(st.sampled_from(["", "values", "gradients"])) if case else ""
        tensor = draw(st.sampled_from(["", "x", "y", "y of vjp"])) if asked else ""
        outcome = draw(st.sampled_from(OUTCOMES if tensor else OUTCOMES[1:]))
        rms = draw(st.floats(0, 4))
        held[target, case, asked, tensor] = runs.verdict(
            target=target, suite="wide" if case else "", case=case, property=asked, tensor=tensor, outcome=outcome,
            rms=rms, max=3 * rms, elements=draw(st.integers(1, 1000)),
        )  # fmt: skip
    targets = draw(st.sampled_from([runs.TARGETS, runs.TARGETS[:2]]))
    return run(*held.values(), targets=targets, complete=draw(st.booleans()))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(any_run())
def test_a_run_differs_from_itself_in_nothing(one: list[Any]) -> None:
    found = compared(one, one)
    assert not set(counts(found)) - {"still"}
    assert found.regressed == (not isinstance(one[-1], Footer))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(any_run(), any_run())
def test_what_breaks_one_way_is_fixed_the_other(a: list[Any], b: list[Any]) -> None:
    there, back = compared(a, b), compared(b, a)

    def keys(changes: Any) -> set[Any]:
        return {change.key for change in changes}

    assert keys(there.broken) == keys(back.fixed)
    assert keys(there.fixed) == keys(back.broken)
    assert keys(there.still) == keys(back.still)
    assert keys((*there.lost, *there.unasked)) == keys((*back.new, *back.anew))
    assert {m.group for m in there.drift.worse} == {m.group for m in back.drift.better}
    every = [change.key for kind in GROUPS for change in getattr(there, kind)]
    assert len(every) == len(set(every))


def test_a_hundred_thousand_verdicts_are_compared_in_seconds(tmp_path: Path) -> None:
    chance = random.Random(0)

    def half() -> list[Any]:
        return run(
            *(
                runs.verdict(target=f"b{t}/m/cpu/float32", case=f"wide/{c}", property=f"p{p}", tensor=f"t{n}",
                             rms=chance.random(), max=3.0)
                for t in range(10) for c in range(25) for p in range(20) for n in range(10)
            ),
            targets=tuple(f"b{t}/m/cpu/float32" for t in range(10)),
        )  # fmt: skip

    base, new = half(), half()
    assert len(base) > 50_000
    start = time.perf_counter()
    found = compared(base, new)
    sections(found)
    sentence(found)
    assert time.perf_counter() - start < 20  # 1.5 s on two idle cores
    assert found.compared == 50_000
    assert all(encode(record) for record in base[:10])


def test_what_is_to_be_renamed_must_be_there() -> None:
    with pytest.raises(UsageError, match="--map jax=jax-0.9: no target of BASE begins with jax; there are numpy"):
        Told.of(run(*TENSORS), {"jax": "jax-0.9"})


# --- each figure beside itself ---------------------------------------------------------------------------------


def test_an_element_that_rose_is_drift_though_the_rms_uses_more_of_its_limit() -> None:
    base, new = (run(runs.verdict(elements=400, rms=1.8, max=largest)) for largest in (2.0, 9.0))
    [moved] = compared(base, new).drift.worse
    assert moved.kind == "max"
    assert sections(compared(base, new))[0].entries[0].how.startswith("14% -> 63% of its limit: 2.0 -> 9.0 noise units")


def test_a_case_that_got_worse_is_told_though_its_tensor_got_better_on_the_whole() -> None:
    better = [[runs.verdict(case=f"wide/{n}", rms=rms, max=3 * rms) for n in range(9)] for rms in (2.4, 0.9)]
    base, new = (
        run(*cases, runs.verdict(case="wide/z", rms=0.9, max=z)) for cases, z in zip(better, (1.0, 13.0), strict=True)
    )
    found = compared(base, new)
    assert [moved.kind for moved in found.drift.worse] == ["max"] and found.regressed


def test_figures_of_any_size_are_compared() -> None:
    found = compared(run(runs.verdict(rms=1.0, max=3.0)), run(runs.verdict(rms=1e200, max=1e200)))
    assert found.drift.worse

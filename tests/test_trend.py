from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import histories
import numpy as np
import pytest
import runs
from click.testing import CliRunner, Result
from histories import CASES, TARGET, drawn, many, run
from msgspec.structs import replace
from test_views import one_line

from gradassay._record import Drawn, Record, Verdict, encode
from gradassay.cli import main
from gradassay.runs._many import FIGURES, Many, in_order, version_key
from gradassay.runs._shift import EXTRA, discoveries, scatter, shifts
from gradassay.runs._steps import SIDE, split, steps
from gradassay.runs._tracked import Step
from gradassay.runs._trend import Trend, trend, turned
from gradassay.views import trend as view
from gradassay.views._spark import BARS, spark


def rises(target: str, case: str, tensor: str) -> float:
    return 2.3 if tensor == "x" else 1.0


def shown(taken: Many, width: int = 80, *, ascii_only: bool = False) -> str:
    return "\n".join(line.text for line in view.lines(taken, trend(taken), width, ascii_only=ascii_only))


def noise(found: Trend) -> list[Step]:
    return [step for step in found.steps if step.kind in ("rms", "max")]


def gradassay(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


# --- a step is found, and named ----------------------------------------------------------------------------------


def eight(**after: Any) -> Many:
    """Five runs of torch 2.12 that repeat bit for bit, then three of 2.13 in which gradients of x are 2.3 times off."""
    before = [run(drawn(1, clock=day), version="2.12.0", day=day) for day in range(1, 6)]
    return many(*before, *(run(drawn(2, clock=day, **after), version="2.13.0", day=day) for day in range(6, 9)))


def test_a_step_is_named_by_target_tensor_size_versions_and_runs() -> None:
    taken = eight(factor=rises)
    found = trend(taken)
    (step,) = [step for step in found.steps if step.kind == "rms" and step.subject == "gradients of x"]
    assert step.shift.factor == pytest.approx(2.3, rel=0.15)
    assert one_line(view.sentence(taken, step)) == (
        f"torch/native/cpu/float32: gradients of x rose {step.shift.factor:.1f} times between torch 2.12.0 and 2.13.0 "
        "(5 runs before, 3 after)"
    )
    assert "runs of one setting are bit-equal (6 of 6 pairs)" in shown(taken)


def test_one_run_on_either_side_is_enough_for_noise_units() -> None:
    taken = many(run(drawn(1), version="2.12.0"), run(drawn(2, factor=rises), version="2.13.0", day=2))
    assert "gradients of x" in {step.subject for step in noise(trend(taken))}


def test_a_step_down_is_told_and_is_no_harm() -> None:
    taken = many(run(drawn(1, factor=rises), version="2.12.0"), run(drawn(2), version="2.13.0", day=2))
    first = turned(trend(taken).steps)[0][0]
    assert " fell 2." in view.sentence(taken, first)
    assert not view.rose(first)


def test_new_failures_come_first_whatever_their_figures() -> None:
    def broken(day: int, outcome: str) -> list[Record]:
        return run([*drawn(1), runs.verdict(target=TARGET, case="odd", outcome=outcome)], version=f"2.{day}.0", day=day)

    taken = many(broken(1, "passed"), broken(2, "passed"), broken(3, "failed"))
    found = trend(taken)
    (step,) = [step for step in found.steps if step.kind == "outcomes"]
    assert step.failing and view.rose(step)
    assert view.sentence(taken, step) == (
        f"{TARGET}: 1 verdict failed that passed before (gradients of x), between torch 2.2.0 and 2.3.0 "
        "(2 runs before, 1 after)"
    )


def crashed(verdicts: Sequence[Record]) -> list[Record]:
    gone = {"outcome": "errored", "rms": None, "max": None}
    return [replace(v, **gone) if isinstance(v, Verdict) else v for v in verdicts]


def test_a_backend_that_has_no_figures_any_more_is_a_step() -> None:
    good = [run(drawn(1), day=day) for day in (1, 2, 3)]
    found = trend(many(*good, run(crashed(drawn(1)), day=4)))
    [step] = [step for step in found.steps if step.kind == "outcomes"]
    assert step.failing and step.number == len(drawn(1)) and step.counts == (3, 1)


def test_a_failure_is_set_beside_the_last_run_that_reached_the_question() -> None:
    skipped = [replace(v, outcome="skipped", rms=None, max=None) for v in drawn(1) if isinstance(v, Verdict)]
    taken = [run(drawn(1), day=1), run(skipped, day=2), run(crashed(drawn(1)), day=3)]
    [step] = [step for step in trend(many(*taken)).steps if step.kind == "outcomes"]
    assert step.failing and step.runs == (0, 2)


def test_packages_that_changed_together_are_all_named() -> None:
    taken = many(
        run(drawn(1), versions={"torch": "2.12.0", "mkl": "2024.1"}),
        run(drawn(2, factor=rises), versions={"torch": "2.13.0", "mkl": "2024.2"}, day=2),
    )
    assert "torch 2.12.0 -> 2.13.0, mkl 2024.1 -> 2024.2, which changed together" in shown(taken).replace("\n", " ")


def test_a_step_between_machines_is_laid_to_the_machine() -> None:
    other = {"system": "Linux-6", "processor": "x86_64", "cpu": "Xeon", "cores": "2"}
    taken = many(run(drawn(1)), run(drawn(2, factor=rises), day=2, machine=other))
    assert "between two machines, Linux, x86_64, EPYC, 2 cores and Linux, x86_64, Xeon" in one_line(shown(taken))


def test_a_file_of_ones_own_has_no_versions_and_its_changes_are_seen_all_the_same() -> None:
    mine = "fast.py:lstm/eager/cpu/float32"
    taken = many(
        run(drawn(1, target=mine), versions={"torch": "2.13.0"}, backend="fast.py:lstm"),
        run(drawn(2, target=mine, factor=rises), versions={"torch": "2.13.0"}, backend="fast.py:lstm", day=2),
    )
    text = one_line(shown(taken))
    assert "gradients of x rose" in text
    assert "between 2030-01-01T00:00 and 2030-01-02T00:00, where no version changed" in text


def test_a_slow_drift_is_told_though_none_of_its_steps_is_one() -> None:
    def slowly(day: int) -> list[Record]:
        # The same roundings, a little larger each time: 6 changes of 1.12 times are twice in all.
        return run(drawn(day, factor=lambda target, case, tensor: 1.13**day), version=f"2.{day}.0", day=day)

    found = trend(many(*(slowly(day) for day in range(1, 9))))
    assert any(step.drift for step in noise(found))
    taken = many(*(slowly(day) for day in range(1, 9)))
    assert "step by step" in one_line(shown(taken))


# --- and none is found in noise ----------------------------------------------------------------------------------


def test_new_roundings_of_the_same_size_are_no_step() -> None:
    """Chance of any false step in a history of four versions, measured over 300 of them: at most 1 % is claimed."""
    false = 0
    for seed in range(300):
        taken = many(*(run(drawn(4 * seed + n), version=f"2.{n}.0", day=n) for n in range(1, 5)))
        false += bool(noise(trend(taken)))
    assert false <= 8  # of 3 that are expected: beyond it with a chance of 0.4 %


def test_cases_that_scatter_more_than_the_prior_do_not_accuse() -> None:
    """The prior knows 0.2 octaves that a case's tensors have in common; here they have 0.6, and the cases say so."""
    false = 0
    for seed in range(100):
        taken = many(*(run(drawn(2 * seed + n, common=0.6), version=f"2.{n}.0", day=n) for n in range(1, 3)))
        false += bool(noise(trend(taken)))
    assert false <= 6


def test_power_of_one_run_on_either_side() -> None:
    """A tensor whose errors double is found in nearly every history of a dozen cases."""
    found = 0
    for seed in range(60):
        double = lambda target, case, tensor: 2.0 if tensor == "x" else 1.0  # noqa: E731
        taken = many(
            run(drawn(2 * seed), version="2.12.0"), run(drawn(2 * seed + 1, factor=double), version="2.13.0", day=2)
        )
        found += any(step.subject == "gradients of x" for step in noise(trend(taken)))
    assert found >= 54


def test_runs_that_do_not_repeat_bit_for_bit_give_their_scatter_to_the_test() -> None:
    """A setting whose runs differ by a factor they all share: no step of that size means anything."""

    def atomic(day: int, size: float) -> list[Record]:
        return run(drawn(day, factor=lambda target, case, tensor: size), version=f"2.{(day + 3) // 4}.0", day=day)

    sizes = (1.0, 2.0, 0.7, 1.5, 2.1, 1.9, 1.6, 2.2)
    taken = many(*(atomic(day, size) for day, size in enumerate(sizes, start=1)))
    assert not noise(trend(taken))
    assert "runs of one setting differ in 6 of 6 pairs" in shown(taken)
    steady = many(*(atomic(day, 1.0 if day < 5 else 2.0) for day in range(1, 9)))
    assert noise(trend(steady))


def test_the_prior_is_the_scatter_of_roundings_drawn_anew() -> None:
    words = np.random.default_rng(1)
    for elements in (1, 2, 8, 64, 512):
        z = words.normal(size=(4000, 2, elements))
        octaves = np.diff(np.log2(np.sqrt(np.mean(z**2, axis=2))), axis=1)
        told = scatter(np.array([float(elements)]), "rms")[0] - EXTRA["rms"] ** 2
        assert told == pytest.approx(float(np.var(octaves)), rel=0.12)


def test_chances_of_a_shift_are_those_that_it_states() -> None:
    """Under the model itself: 2 % of its p are below 2 %."""
    words, below, number = np.random.default_rng(2), 0, 2000
    for _ in range(number):
        elements = np.full(10, 64.0)
        z = words.normal(size=(2, 10, 64)) * 2.0 ** words.normal(0, 0.2 / np.sqrt(2), size=(2, 10, 1))
        before, after = np.sqrt(np.mean(z**2, axis=2))
        moved = shifts("rms", before, after, elements, np.zeros(10, np.int64), np.arange(10))
        below += moved[0].p <= 0.02
    assert below / number == pytest.approx(0.02, abs=0.012)


def test_discoveries_follow_benjamini_and_hochberg() -> None:
    assert discoveries([0.001, 0.004, 0.02, 0.5], rate=0.01) == 0.004
    assert discoveries([0.006, 0.5], rate=0.01) == 0.0
    assert discoveries([], rate=0.01) == 0.0


# --- time --------------------------------------------------------------------------------------------------------


def timed(speeds: Sequence[float], **fields: Any) -> Many:
    days = enumerate(speeds, start=1)
    return many(*(run(drawn(1, clock=d, speed=s, **fields), day=d, version=f"2.{10 + d // 7}") for d, s in days))


def test_a_step_in_time_is_found_with_several_runs_on_either_side() -> None:
    taken = timed([1, 1, 1, 1, 1, 1, 2, 2, 2, 2])
    steps_ = [step for step in trend(taken).steps if step.kind == "time"]
    assert {step.counts for step in steps_} == {(6, 4)}
    text = one_line(shown(taken))
    assert "time of everything rose 2" in text
    assert "between torch 2.10 and 2.11 (6 runs before, 4 after)" in text


def test_false_alarms_of_time_are_as_rare_as_claimed_also_with_a_busy_machine() -> None:
    words = np.random.default_rng(3)
    for heavy in (False, True):
        false = 0
        for _ in range(1500):
            values = words.normal(0, 0.1, size=12)
            if heavy:  # one run in ten meets a busy machine
                values += np.where(words.random(12) < 0.1, words.exponential(1.0, 12), 0.0)
            found = split(values)
            false += found is not None and found.p <= 0.01
        assert false / 1500 <= 0.015


def test_power_of_time() -> None:
    words = np.random.default_rng(4)
    found = 0
    for _ in range(200):
        values = words.normal(0, 0.1, size=12) + np.where(np.arange(12) < 7, 0.0, 0.6)  # 1.5 times, of 7 % scatter
        (*held,) = steps(values, 1e-4)
        found += [one.at for one in held] == [7]
    assert found >= 170


def test_two_steps_of_time_are_two() -> None:
    values = np.array([0, 0.01, -0.01, 0, 1, 1.01, 0.99, 1, 3, 3.01, 3, 2.99])
    assert [one.at for one in steps(values, 0.01)] == [4, 8]


def test_two_steps_of_one_series_are_both_told_with_what_lies_between() -> None:
    taken = timed([10] * 4 + [30] * 4 + [5] * 9)
    found = [step for step in trend(taken).steps if step.kind == "time" and step.subject == "everything"]
    rose, fell = sorted(found, key=lambda step: step.runs)
    assert (rose.runs, rose.counts, fell.runs, fell.counts) == ((3, 4), (4, 4), (7, 8), (4, 9))
    for step, ratio in ((rose, 3.0), (fell, 1 / 6)):
        assert step.after / step.before == pytest.approx(ratio, rel=0.2)
        assert 2.0**step.shift.octaves == pytest.approx(ratio, rel=0.2)


def test_few_runs_are_not_judged_by_time_and_that_is_said() -> None:
    taken = timed([1, 1, 4, 4])
    assert not [step for step in trend(taken).steps if step.kind == "time"]
    assert f"time needs {2 * SIDE} runs on one machine to tell" in shown(taken)


def test_time_of_another_machine_is_not_compared() -> None:
    other = {"system": "Linux-6", "processor": "x86_64", "cpu": "Xeon", "cores": "64"}
    slow = [run(drawn(1, clock=day), day=day) for day in range(1, 7)]
    quick = [run(drawn(1, clock=day, speed=0.1), day=day, machine=other) for day in range(7, 13)]
    assert not trend(many(*slow, *quick)).steps


def test_when_every_backend_slows_down_it_is_the_machine() -> None:
    def both(day: int, speed: float) -> list[Record]:
        other = "jax/jit/cpu/float32"
        verdicts = [*drawn(1, clock=day, speed=speed), *drawn(1, clock=99 + day, speed=speed, target=other)]
        return run(verdicts, day=day, versions={"torch": "2.13.0"})

    taken = many(*(both(day, 1.0 if day < 6 else 3.0) for day in range(1, 11)))
    assert "every backend's time steps here: the machine, rather than a version" in one_line(shown(taken))


# --- what is fair ------------------------------------------------------------------------------------------------


def test_other_suites_limits_and_specs_are_named_and_not_compared() -> None:
    same = [run(drawn(n), version=f"2.{n}.0", day=n) for n in range(1, 4)]
    taken = many(
        *same,
        run(drawn(7, factor=rises), day=7, suites=("smoke",)),
        run(drawn(8, factor=rises), day=8, limits="2"),
        run(drawn(9, factor=rises), day=9, specs={"lstm": "2", "mse": "2"}),
        run(drawn(6, factor=rises), day=6, shard="2/4"),
    )
    assert not trend(taken).steps
    text = one_line(shown(taken))
    assert "not compared: run4.jsonl (torch): its suites: smoke; of those compared: smoke, wide" in text
    assert "run5.jsonl (torch): its version of the limits: 2; of those compared: 1" in text
    assert "run6.jsonl (torch): its versions of specs: lstm 2, mse 2; of those compared: lstm 1, mse 2" in text
    assert "put its parts together first: gradassay merge" in text


def test_a_spec_that_a_backend_was_not_asked_makes_nothing_unfair() -> None:
    taken = many(run(drawn(1), version="2.1"), run(drawn(2), version="2.2", day=2, specs={"lstm": "1", "mse": "9"}))
    assert len(trend(taken).histories) == 1


def test_cases_whose_data_changed_are_left_out_and_named() -> None:
    def digest(value: str) -> Drawn:
        return Drawn(spec="lstm", suite="wide", case=CASES[0], dtype="float32", digest=value)

    def far(target: str, case: str, tensor: str) -> float:
        return 1000.0 if case == CASES[0] else 1.0

    taken = many(
        run([digest("a"), *drawn(1)], version="2.1"), run([digest("b"), *drawn(1, factor=far)], version="2.2", day=2)
    )
    found = trend(taken)
    assert not found.steps
    assert "the data of 1 case changed between runs: wide/case-0" in one_line(shown(taken))
    assert found.histories[0].lines[0].questions == 5 * (len(CASES) - 1)


def test_a_run_that_was_cut_short_is_left_out_of_what_it_lacks() -> None:
    part = drawn(2)[:9]
    taken = many(
        run(drawn(1), version="2.1"), run(drawn(3), version="2.2", day=2), run(part, version="2.3", day=3)[:-1]
    )
    assert [line.runs for line in trend(taken).histories[0].lines] == [(0, 1)]
    text = one_line(shown(taken))
    assert "1 run did not complete: run3.jsonl" in text
    assert "it has 9 figures where others have 60" in text


def test_runs_are_in_order_of_version_then_of_time() -> None:
    taken = many(
        run(drawn(1), version="2.10.0"), run(drawn(2), version="2.9.1", day=3), run(drawn(2), version="2.9.1", day=2)
    )
    assert trend(taken).histories[0].runs == (2, 1, 0)
    assert trend(taken, by_date=True).histories[0].runs == (0, 2, 1)


def test_versions_are_put_in_order_as_people_do() -> None:
    ordered = ["2.9.1", "2.10.0.dev20260101", "2.10.0rc1", "2.10.0", "2.10.1+cpu", "2.11"]
    assert sorted(reversed(ordered), key=in_order) == ordered
    before, after = {"CUDA": "13.0", "keras": "3.14.0"}, {"CUDA": "12.5", "keras": "3.15.1"}
    assert version_key("tensorflow", before) < version_key("tensorflow", after)


def test_the_same_run_twice_is_no_repeat() -> None:
    taken = many(run(drawn(1)), run(drawn(1)), run(drawn(2), day=2))
    assert len(taken.runs) == 2
    assert "run2.jsonl is the same run as run1.jsonl: counted once" in shown(taken)


# --- how it looks ------------------------------------------------------------------------------------------------


def test_it_fits_80_columns_and_an_old_terminal(tmp_path: Path) -> None:
    folder = nightly(tmp_path)
    for options in ([], ["--by-date"]):
        found = gradassay("trend", str(folder), *options)
        assert found.exit_code == 0, found.output
        assert max(map(len, found.output.splitlines())) <= 80
        assert "native/cpu/float32    8" in found.output
    assert shown(eight(factor=rises), ascii_only=True).isascii()


def test_a_spark_is_flat_in_noise_and_climbs_in_a_step() -> None:
    assert spark([1.0, 1.1, 0.9, 1.0], 8) == "▁▂▁▁" or set(spark([1.0, 1.1, 0.9, 1.0], 8)) <= set(BARS[:3])
    assert spark([1, 1, 8, 8], 8) == "▁▁██"
    assert spark([1, 1, 8, 8], 2) == "▁█"
    assert spark([1, 1, 8, float("nan"), 0.0], 8, ascii_only=True) == "__# _"
    assert spark([], 8) == ""


def test_foreign_names_are_shown_and_not_obeyed() -> None:
    odd = "torch/[red]\x1b[31m/cpu/float32"
    taken = many(
        run(drawn(1, target=odd), version="2\x1b[1m"), run(drawn(2, target=odd, factor=rises), version="3", day=2)
    )
    text = shown(taken) + view.as_markdown(taken, trend(taken))
    assert "\x1b" not in text


def test_markdown_has_the_conclusion_first(tmp_path: Path) -> None:
    found = gradassay("trend", str(nightly(tmp_path)), "--format", "markdown").output
    assert found.startswith(
        "## Gradassay: Trend of 8 runs, 2030-01-01 to 2030-01-08\n\n**1 step in noise units or outcomes"
    )
    assert "1. **torch/native/cpu/float32: gradients of x rose 2." in found
    assert "| native/cpu/float32 | 8 |" in found


# --- the command -------------------------------------------------------------------------------------------------


def nightly(folder: Path) -> Path:
    into = folder / "nightly"
    into.mkdir()
    for day in range(1, 9):
        verdicts = drawn(1, clock=day) if day < 6 else drawn(2, clock=day, factor=rises)
        records = run(verdicts, version="2.12.0" if day < 6 else "2.13.0", day=day)
        content = b"".join(map(encode, records))
        if day == 8:
            (into / f"{day}.jsonl.xz").write_bytes(lzma.compress(content))
        else:
            (into / f"{day}.jsonl").write_bytes(content)
    (into / "README.md").write_text("not a run")
    return into


def test_the_status_is_0_unless_a_step_is_to_fail(tmp_path: Path) -> None:
    folder = nightly(tmp_path)
    assert gradassay("trend", str(folder)).exit_code == 0
    assert gradassay("trend", str(folder), "--fail-on-step").exit_code == 1
    quiet = [str(folder / f"{day}.jsonl") for day in range(1, 6)]
    assert gradassay("trend", *quiet, "--fail-on-step").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["empty"], "empty holds no run: no file in it ends in .jsonl"),
        (["one.jsonl"], "one.jsonl is one run: a trend needs two; to look at one, gradassay show one.jsonl"),
        (["one.jsonl", "missing.jsonl"], "cannot read missing.jsonl: No such file or directory"),
        (["one.jsonl", "torn.jsonl"], "torn.jsonl, line 2 is not a record of a run"),
        (["one.jsonl", "later.jsonl"], "later.jsonl has format 99"),
        (["one.jsonl", "case.safetensors"], "case.safetensors is a saved case, and no run: add --records FILE.json"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    histories.write(tmp_path / "one.jsonl", run(drawn(1)))
    (tmp_path / "torn.jsonl").write_bytes(encode(runs.header()) + b"{torn\n" + encode(runs.footer()))
    (tmp_path / "later.jsonl").write_bytes(b'{"record":"header","format":99}\n')
    found = gradassay("trend", *arguments)
    assert found.exit_code == 2
    assert said in found.stderr.replace("\n  ", " ")


def test_runs_without_verdicts_have_no_trend_and_that_is_said() -> None:
    taken = many(run([]), run([], day=2))
    assert "Nothing to compare: no two runs were asked the same" in shown(taken)


def test_twenty_runs_are_held_as_numbers() -> None:
    """20 runs of 50,000 verdicts: 5 figures of 8 bytes each, not a million records."""
    taken = many(*(run(drawn(n), version=f"2.{n}", day=n) for n in range(1, 21)))
    assert all(taken.figures[name].shape == (20, 60) for name in FIGURES)
    assert taken.outcomes.dtype == np.int8

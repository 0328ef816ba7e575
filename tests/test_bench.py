"""The table of speed: what it is made of, what it says, and that no row of it is missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks import rows
from benchmarks.interleaved import interleaved, medians, seconds
from benchmarks.rows import FOLDER, GOALS, Bench, Entry, faster, joined, longer, read, within
from benchmarks.table import table, time_of


def entry(goal: str = "truth", **changes: Any) -> Entry:
    told: dict[str, Any] = {
        "goal": goal, "what": "`this`", "against": "`that`", "size": "B=1", "dtype": "float64", "ours": 0.5,
        "theirs": 1.0, "repetitions": (30, 3), "measured": "2.0 times faster", "reached": True, "error": "0.5 RMS",
        "note": "a note",
    }  # fmt: skip
    return Entry(**(told | changes))


def bench(*entries: Entry) -> Bench:
    machine = {"cpu": "a processor", "processors": "2", "python": "3.11"}
    return Bench(machine, {"torch": "2.13"}, {"OMP_NUM_THREADS": "1"}, entries)


EVERY = tuple(entry(goal.key) for goal in GOALS)


# --- the committed table


def test_the_committed_table_is_that_of_the_committed_figures() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == table(read())


def test_every_row_is_measured_in_every_framework_that_it_is_about() -> None:
    found = {goal.key: [e for e in read().entries if e.goal == goal.key] for goal in GOALS}
    assert all(found.values())
    for key in ("check-afresh", "check-known", "jacobian", "jacobian-rows", "block"):
        told = " ".join(e.what.lower() for e in found[key])
        assert [name for name in ("torch", "jax", "keras") if name not in told] == [], key
    sizes = {e.size for e in found["jacobian"]}
    assert sizes == {e.size for e in found["certified-jacobian"]} == {"B=2, T=16, N=8, H=16", "B=1, T=32, N=16, H=32"}
    assert {e.size.partition(" from ")[0] for e in found["truth"]} == {"B=1, T=512, N=128, H=128", "T", "H = N"}


def test_every_figure_says_how_right_it_is_and_where_the_time_goes() -> None:
    entries = read().entries
    assert [e.what for e in entries if not e.error] == []
    assert [e.what for e in entries if e.goal not in ("jacobian-rows",) and not e.note] == []
    few = [e for e in entries if min(filter(None, e.repetitions)) < 30 and max(e.ours, e.theirs or 0.0) < 1.0]
    assert [e.what for e in few if e.goal not in ("certified-jacobian", "truth")] == []


# --- the page


@pytest.mark.parametrize("missing", [goal.key for goal in GOALS])
def test_a_table_without_a_row_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match=f"not measured: {missing}; `make bench` measures all"):
        table(bench(*(e for e in EVERY if e.goal != missing)))


def test_what_was_not_reached_stands_there_with_its_reason() -> None:
    page = table(bench(*EVERY, entry("workers", reached=False, measured="1.2 times faster", note="it starts twice")))
    row = next(line for line in page.splitlines() if line.startswith("| [a sweep"))
    assert row.endswith("| `this`: 2.0 times faster<br>`this`: 1.2 times faster | 1 of 2 reached |")
    assert "| 1.2 times faster | 0.5 RMS | not reached |" in page and "* it starts twice" in page
    assert "* a processor, 2 cores" in page and "torch 2.13" in page and "OMP_NUM_THREADS=1" in page


def test_a_rival_that_there_is_not_and_compiling_that_there_was() -> None:
    page = table(bench(*EVERY, entry("startup", theirs=None, repetitions=(30, 0), against="", compiled=1.25)))
    assert "| `this` | B=1, float64 | 500 ms | - | 30 | 1.25 s |" in page


@pytest.mark.parametrize(
    ("found", "said"), [(12.3456, "12.3 s"), (1.0, "1 s"), (0.00362, "3.62 ms"), (4.2e-5, "42 µs"), (1234.0, "1,234 s")]
)
def test_times_have_three_digits(found: float, said: str) -> None:
    assert time_of(found) == said


# --- the figures


def test_a_part_that_is_measured_again_leaves_the_rest() -> None:
    before = bench(*EVERY)
    again = entry("workers", ours=0.1)
    found = joined(before, bench(again))
    assert found.entries == tuple(again if e.goal == "workers" else e for e in EVERY)
    other = entry("workers", what="`other`")
    assert joined(before, bench(other)).entries.count(other) == 1 and len(joined(before, bench(other)).entries) == 10
    assert joined(before, bench(*(EVERY[::-1]))).entries == EVERY[::-1]  # all of it again: nothing old stays
    assert joined(None, before) is before


def test_figures_come_back_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_bytes(msgspec.json.encode(bench(*EVERY)))
    assert read(tmp_path / "bench.json") == bench(*EVERY)


def test_how_two_times_compare() -> None:
    assert faster(0.5, 100.0) == "200.0 times faster" and faster(2.0, 1.0) == "2.00 times slower"
    assert longer(3e-3, 2e-3) == "1.50 times as long, +1.00 ms"
    assert within(1.5, 1.0, 1.5, 0.0) and within(2e-3, 1e-3, 1.5, 1e-3)
    assert not within(1.51, 1.0, 1.5, 0.5)


# --- side by side


def test_contenders_take_turns_after_two_calls_each() -> None:
    calls: list[str] = []
    found = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repetitions=5)
    assert "".join(calls) == "ab" + "ab" + "ab" * 5
    assert {name: len(times) for name, times in found.items()} == {"a": 5, "b": 5}


def test_slow_ones_are_repeated_less(monkeypatch: pytest.MonkeyPatch) -> None:
    took = {"fast": 0.1, "first": 0.1, "slow": 2.0, "very slow": 9.0}
    calls: list[str] = []

    def told(call: Any) -> float:
        name: str = call()
        calls.append(name)
        return 5.0 if name == "first" and calls.count(name) == 1 else took[name]

    monkeypatch.setattr("benchmarks.interleaved.seconds", told)
    contenders = {name: lambda name=name: name for name in took}
    found = interleaved(contenders, repetitions=10, few=2)
    assert {name: len(times) for name, times in found.items()} == {"fast": 10, "first": 10, "slow": 2, "very slow": 1}
    assert medians(found) == took  # a first call that compiles counts nowhere


def test_a_call_is_timed_without_garbage_collection() -> None:
    import gc

    states: list[bool] = []
    assert seconds(lambda: states.append(gc.isenabled()) or time.sleep(0.01)) >= 0.01
    assert states == [False] and gc.isenabled()


def test_the_growth_that_is_told_is_that_of_the_times() -> None:
    from benchmarks.test_truth import exponent

    assert exponent((10, 20, 40), [3.0, 12.0, 48.0]) == pytest.approx(2.0)
    assert rows.GOALS[6].key == "truth"

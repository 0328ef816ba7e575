from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import histories
import pytest
import runs
from click.testing import CliRunner, Result
from histories import drawn, many, run
from msgspec.structs import replace
from test_views import one_line

from gradassay._record import Drawn, Record, Verdict, encode
from gradassay.cli import main
from gradassay.runs._attribute import Account, attribute
from gradassay.runs._many import Many
from gradassay.views.attribute import as_markdown, lines

NATIVE, ONEDNN, CUDA = "torch/native/cpu/float32", "torch/onednn/cpu/float32", "torch/native/cuda/float32"
HALF, HALF_ONEDNN = "torch/native/cpu/bfloat16", "torch/onednn/cpu/bfloat16"


def told(taken: Many) -> Account:
    (account,) = attribute(taken)
    return account


def shown(taken: Many) -> str:
    return "\n".join(line.text for line in lines(taken, attribute(taken)))


def seed(target: str) -> int:
    """Each mode and dtype draws roundings of its own, whatever the version."""
    return sum(map(ord, target))


def taken(targets: Iterable[str], factors: dict[str, float] | None = None, **header: Any) -> list[Record]:
    """A run in which each target's gradients of weight_hh_l0 are so many times too large."""
    verdicts: list[Record] = []
    for target in targets:
        factor = (factors or {}).get(target, 1.0)
        verdicts += drawn(
            seed(target),
            target=target,
            factor=lambda t, c, tensor, f=factor: f if tensor == "weight_hh_l0" else 1.0,
        )
    return run(verdicts, **header)


def gradassay(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


# --- which axis --------------------------------------------------------------------------------------------------


def test_a_mode_that_moves_one_tensor_is_named_with_it_and_the_other_axes_beside_it() -> None:
    account_of = many(
        taken([NATIVE, ONEDNN, CUDA], {ONEDNN: 2.1}, version="2.12"),
        taken([NATIVE, ONEDNN, CUDA], {ONEDNN: 2.1}, version="2.13", day=2),
    )
    account = told(account_of)
    first = account.effects[0]
    assert (first.axis, account.grid.label("mode", first.before), account.grid.label("mode", first.after)) == (
        "mode",
        "native",
        "onednn",
    )
    moved = next(part for part in first.moved if part.kind == "tensor")
    assert [part for part in first.moved if part.kind == "tensor"] == [moved] == [first.headline]
    text = one_line(shown(account_of))
    assert f"mode moved it: native -> onednn raises gradients of weight_hh_l0 by {moved.factor:.1f} times" in text
    assert "(median of 24 pairs; versions bit-equal, devices " in text
    assert moved.factor == pytest.approx(2.1, rel=0.15)


def test_versions_that_move_everything_are_named() -> None:
    both = many(run(drawn(1), version="2.12"), run(drawn(2, factor=lambda t, c, n: 3.0), version="2.13", day=2))
    assert "versions moved it: torch 2.12 -> 2.13 raises noise units by 3." in one_line(shown(both))


def test_a_device_and_a_machine_are_axes_too() -> None:
    devices = many(taken([NATIVE, CUDA], {CUDA: 4.0}))
    assert "device moved it: cpu -> cuda raises gradients of weight_hh_l0 by " in one_line(shown(devices))
    other = {"system": "Linux-6", "processor": "aarch64", "cpu": "Grace", "cores": "2"}
    machines = many(taken([NATIVE]), run(drawn(5, factor=lambda t, c, n: 3.0), day=2, machine=other))
    assert "machine moved it: Linux, x86_64, EPYC, 2 cores -> Linux, aarch64, Grace, 2 cores raises" in one_line(
        shown(machines)
    )


def test_what_moves_in_one_dtype_alone_is_told_of_that_dtype() -> None:
    def large(target: str, case: str, tensor: str) -> float:
        return 2.5 if target == HALF_ONEDNN else 1.0

    verdicts = [r for t in (NATIVE, ONEDNN, HALF, HALF_ONEDNN) for r in drawn(seed(t), target=t, factor=large)]
    text = one_line(shown(many(run(verdicts))))
    assert "mode moved it: native -> onednn raises noise units in bfloat16 by 2." in text
    assert "dtypes float32 " in text


def test_new_roundings_of_the_same_size_move_nothing() -> None:
    """False alarms of 200 comparisons of two modes, of which at most 1 % is claimed."""
    false = 0
    for number in range(200):
        verdicts = [*drawn(2 * number, target=NATIVE), *drawn(2 * number + 1, target=ONEDNN)]
        false += bool(told(many(run(verdicts))).effects[0].moved)
    assert false <= 6  # of 2 that are expected
    assert "other roundings, no larger" in one_line(shown(many(run([*drawn(1), *drawn(2, target=ONEDNN)]))))


def test_equal_bits_in_many_versions_are_not_many_draws() -> None:
    """Ten versions that change nothing make the difference of two modes no surer."""
    for number in range(20):
        verdicts = [*drawn(2 * number, target=NATIVE), *drawn(2 * number + 1, target=ONEDNN)]
        one = told(many(run(verdicts))).effects[0].whole.shift
        ten = next(
            e
            for e in told(many(*(run(verdicts, version=f"2.{n}", day=n) for n in range(1, 11)))).effects
            if e.axis == "mode"
        )
        assert ten.whole.shift.p == pytest.approx(one.p, rel=0.2, abs=1e-6)
        assert ten.whole.pairs == 600


def test_repeats_are_the_floor() -> None:
    text = one_line(shown(many(run(drawn(1)), run(drawn(1), day=2), run(drawn(2), version="3", day=3))))
    assert "1 pair of runs with nothing changed: all 60 figures bit-equal" in text
    text = one_line(shown(many(run(drawn(1)), run(drawn(2), day=2))))
    assert "1 pair of runs with nothing changed: 60 of 60 figures differ, by 1." in text
    assert "that a run repeats bit for bit is not known" in shown(many(run(drawn(1))))


# --- packages ----------------------------------------------------------------------------------------------------


def packages(number: int, day: int, factor: float = 1.0, **versions: str) -> list[Record]:
    return run(drawn(number, factor=lambda t, c, n: factor), versions=versions, day=day)


def test_packages_that_changed_together_cannot_be_told_apart_and_the_run_that_would_tell_is_named() -> None:
    text = one_line(
        shown(many(packages(1, 1, torch="2.12", mkl="2024.1"), packages(2, 2, 3.0, torch="2.13", mkl="2024.2")))
    )
    assert "versions moved it: torch 2.12 -> 2.13, mkl 2024.1 -> 2024.2 raises" in text
    assert (
        "torch and mkl changed together and cannot be told apart; a run of torch 2.13 with mkl 2024.1 would tell"
        in text
    )


def test_a_run_in_which_one_package_alone_changed_tells() -> None:
    held = many(
        packages(1, 1, torch="2.12", mkl="2024.1"),
        packages(1, 2, torch="2.12", mkl="2024.2"),
        packages(2, 3, 3.0, torch="2.13", mkl="2024.2"),
    )
    text = one_line(shown(held))
    assert "versions moved it: torch 2.12 -> 2.13 raises noise units by " in text
    assert "versions mkl 2024.1 -> 2024.2: bit-equal in all 60 pairs" in text
    assert "cannot be told apart" not in text


def test_of_many_versions_the_nearest_two_between_which_it_moved_are_named() -> None:
    held = many(*(packages(1 + (n > 5), n, 3.0 if n > 5 else 1.0, torch=f"2.{n}") for n in range(1, 10)))
    text = one_line(shown(held))
    assert "1. versions moved it: torch 2.5 -> 2.6 raises noise units by " in text
    assert "likewise torch 2." in text
    assert "2. versions" not in text


# --- what cannot be told -----------------------------------------------------------------------------------------


def test_axes_that_changed_together_are_named_with_the_run_that_would_tell() -> None:
    held = many(taken([NATIVE], version="2.12"), taken([CUDA], {CUDA: 3.0}, version="2.13", day=2))
    account = told(held)
    assert not account.effects
    assert account.untold[0].axes == ("versions", "device")
    text = one_line(shown(held))
    assert "versions and device changed together, and cannot be told apart" in text
    assert "versions (torch 2.12 -> 2.13); device (cpu -> cuda)" in text
    assert "would tell: gradassay verify torch/native/cuda with torch 2.12" in text
    assert "would tell: gradassay verify torch/native/cpu with torch 2.13" in text


def test_other_limits_other_specs_and_other_data_are_no_pairs() -> None:
    def digest(value: str) -> list[Record]:
        return [Drawn(spec="lstm", suite="wide", case=case, dtype="float32", digest=value) for case in histories.CASES]

    for first, second in (
        (run(drawn(1), limits="1"), run(drawn(2), limits="2", version="3", day=2)),
        (run(drawn(1)), run(drawn(2), specs={"lstm": "2"}, version="3", day=2)),
        (run([*digest("a"), *drawn(1)]), run([*digest("b"), *drawn(2)], version="3", day=2)),
    ):
        assert not told(many(first, second)).effects


# --- outcomes ----------------------------------------------------------------------------------------------------


def failing(*targets: str) -> list[Record]:
    found: list[Record] = []
    for target in (NATIVE, ONEDNN, HALF, HALF_ONEDNN):
        made = runs.failed if target in targets else runs.verdict
        found += [made(target=target, case=case, tensor="x") for case in histories.CASES]
    return found


def test_failures_on_one_mode_are_said_first() -> None:
    text = shown(many(run(failing(ONEDNN, HALF_ONEDNN))))
    assert text.splitlines()[3].strip().startswith("all 24 failures are on mode onednn")
    assert "elsewhere the same questions reached 24 verdicts, and all of them passed" in one_line(text)
    assert "outcomes  24 pairs passed before, failed after" in text


def test_failures_on_one_mode_in_one_dtype_are_said_of_both() -> None:
    assert "all 12 failures are on mode onednn and dtype bfloat16" in one_line(shown(many(run(failing(HALF_ONEDNN)))))


def test_failures_everywhere_are_confined_to_nothing() -> None:
    everywhere = many(run(failing(NATIVE, ONEDNN, HALF, HALF_ONEDNN)))
    assert told(everywhere).confined is None
    assert "48 failures, confined to no level of an axis" in shown(everywhere)


def test_failures_that_nobody_else_was_asked_are_not_laid_to_a_mode_without_saying_so() -> None:
    verdicts = [runs.failed(target=ONEDNN, case="odd"), *drawn(1)]
    assert "the one failure is on mode onednn; its question was asked nowhere else" in one_line(
        shown(many(run(verdicts)))
    )


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_reads_folders_and_files_and_fits_80_columns(tmp_path: Path) -> None:
    histories.write(tmp_path / "a.jsonl", taken([NATIVE, ONEDNN], {ONEDNN: 2.1}))
    histories.write(tmp_path / "b.jsonl", taken([NATIVE, ONEDNN], {ONEDNN: 2.1}, version="2.12", day=2))
    found = gradassay("attribute", str(tmp_path))
    assert found.exit_code == 0
    assert "mode moved it: native -> onednn" in found.output
    assert max(map(len, found.output.splitlines())) <= 80
    assert gradassay("attribute", str(tmp_path / "a.jsonl"), "--markdown").output.startswith(
        "## Gradassay: attribution"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read run.jsonl: No such file or directory"),
        (b"", "run.jsonl is not a run: it is empty"),
        (encode(runs.header()), "run.jsonl: no verdict at all, so that there is nothing to compare"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "run.jsonl").write_bytes(content)
    found = gradassay("attribute", "run.jsonl")
    assert found.exit_code == 2
    assert said in found.stderr


def test_foreign_names_are_shown_and_not_obeyed() -> None:
    odd = many(run([*drawn(1, target="torch/\x1b[31m/cpu/float32"), *drawn(2)], version="2\x1b[1m"))
    assert "\x1b" not in shown(odd) + as_markdown(odd, attribute(odd))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_failure_in_any_run_of_a_setting_counts(order: tuple[int, int]) -> None:
    good = drawn(1)
    bad = [replace(v, outcome="errored", rms=None, max=None) for v in good if isinstance(v, Verdict)]
    both = [run(good, day=1), run(bad, day=2)]
    assert told(many(*(both[i] for i in order))).failed == len(bad)


def test_runs_without_a_common_figure_are_no_repeat() -> None:
    apart = many(run(drawn(1, cases=("a",)), day=1), run(drawn(1, cases=("b",)), day=2))
    assert told(apart).grid.repeats[0] == 0 and "bit-equal" not in shown(apart)

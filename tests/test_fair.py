"""Whether two runs can be compared is said in one line, and what is not known is not called the same."""

from __future__ import annotations

from typing import Any

import pytest
import runs
from compared import MACHINE, TARGET, compared, drawn, header, run

from gradassay._record import Record
from gradassay.runs._fair import fairness
from gradassay.runs._told import Told
from gradassay.views._regressions import compared_line, fair_line

VERDICTS = [runs.verdict(), runs.verdict(case="wide/long"), runs.verdict(property="values", tensor="y")]


def line(base: list[Record], new: list[Record]) -> str:
    return fair_line(compared(base, new))


def test_the_same_run_twice_is_fair() -> None:
    base = run(*VERDICTS)
    assert line(base, base) == (
        "Fair: 2 cases the same bit for bit; the same specs, suites, properties, limits and machine"
    )
    fair = fairness(Told.of(base), Told.of(base))
    assert fair.fair and fair.comparable
    assert not (fair.unlike or fair.unknown or fair.partial or fair.compared)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limits": "2"}, "limits 1 and 2"),
        ({"specs": {"lstm": "2", "mse": "2"}}, "spec lstm 1 and 2"),
        ({"machine": MACHINE | {"cpu": "AMD EPYC 7763"}}, f"cpu {MACHINE['cpu']} and AMD EPYC 7763"),
        ({"machine": MACHINE | {"python": "3.13.0"}}, "python 3.12 and 3.13"),
        (
            {"machine": MACHINE | {"system": "Linux-6.1-x86_64-with-musl1.2"}},
            "system Linux glibc2.36 and Linux musl1.2",
        ),
        ({"machine": MACHINE | {"system": "macOS-14.1-arm64-arm-64bit"}}, "system Linux glibc2.36 and macOS"),
        ({"digest": "00fe"}, "the cases differ bit for bit: 2 of 2"),
    ],
)
def test_what_makes_noise_units_incomparable_is_named(changes: dict[str, Any], said: str) -> None:
    base, new = run(*VERDICTS), run(*VERDICTS, **changes)
    assert line(base, new) == f"Not fair: {said}"
    assert not compared(base, new).fair.comparable


def test_cases_that_differ_are_counted_once_whatever_their_dtypes() -> None:
    base = [header(), *(drawn(f"{n}", dtype=t) for n in range(40) for t in ("float32", "float64")), runs.footer()]
    new = [drawn(f"{n}", "beef" if n < 3 else "00ff", dtype=t) for n in range(40) for t in ("float32", "float64")]
    assert line(base, [header(), *new, runs.footer()]) == "Not fair: the cases differ bit for bit: 3 of 40"


def test_a_release_of_the_kernel_and_a_patch_of_python_round_nothing() -> None:
    machine = MACHINE | {"python": "3.12.9", "system": "Linux-6.8.0-azure-x86_64-with-glibc2.36", "cores": "2"}
    found = compared(run(*VERDICTS), run(*VERDICTS, machine=machine))
    assert found.fair.fair
    assert compared_line(found) == "Compared: python 3.12.4 -> 3.12.9, cores 4 -> 2"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"targets": runs.TARGETS[1:2]}, "NEW was asked 1 of 3 targets"),
        ({"targets": (*runs.TARGETS, "jax/jit/cpu/float32")}, "BASE was not asked 1 of NEW's 4 targets"),
        ({"suites": ("wide",)}, "NEW was not asked the suite smoke"),
        ({"suites": ("smoke", "wide", "cover", "ladders")}, "BASE was not asked the suites cover, ladders"),
        ({"properties": ("contract", "values", "gradients")}, "NEW was not asked the properties hvp, agreement"),
        ({"specs": {"lstm": "1"}}, "NEW was not asked the spec mse"),
        ({"cases": ("wide/ragged",)}, "cases all and wide/ragged"),
        ({"sweep": True}, "NEW is a sweep"),
        ({"shard": "2/4"}, "shard none and 2/4"),
        ({"complete": False}, "NEW did not complete: it stopped after 3 verdicts"),
    ],
)
def test_what_only_one_was_asked_is_named_and_the_rest_is_fair(changes: dict[str, Any], said: str) -> None:
    found = compared(run(*VERDICTS), run(*VERDICTS, **changes))
    assert fair_line(found) == f"Fair on what both were asked: {said}"
    assert found.fair.comparable and not found.fair.fair


def test_versions_are_what_is_compared_and_no_unfairness() -> None:
    versions = {"torch": {"torch": "2.14.0", "oneDNN": "3.11"}, "torch-cell": {"torch": "2.14.0"}}
    base = run(*VERDICTS, versions={"torch": {"torch": "2.13.0", "oneDNN": "3.11"}, "torch-cell": {"torch": "2.13.0"}})
    found = compared(base, run(*VERDICTS, versions=versions, gradassay="0.2.0", commit="fedcba9876543210"))
    assert found.fair.fair
    assert (
        compared_line(found)
        == "Compared: torch 2.13.0 -> 2.14.0, gradassay 0.1.0 -> 0.2.0, commit 01234567 -> fedcba98"
    )


def test_versions_of_a_backend_that_was_not_asked_are_not_compared() -> None:
    base = run(*VERDICTS, versions={"jax": {"jax": "0.9"}})
    assert not compared(base, run(*VERDICTS, versions={"jax": {"jax": "0.10"}})).fair.compared


def test_what_an_older_format_does_not_record_is_not_called_the_same() -> None:
    machine = {name: MACHINE[name] for name in ("system", "processor", "python", "numpy")}
    old = [header(format=2, machine=machine, gradassay=""), *VERDICTS, runs.footer()]
    for base, new in ((old, run(*VERDICTS)), (run(*VERDICTS), old), (old, old)):
        found = compared(base, new)
        assert fair_line(found) == (
            "Not known to be fair: not recorded: the bits of the cases, the cpu, how cases were selected"
        )
        assert not found.fair.comparable


def test_a_cpu_that_is_empty_is_not_known() -> None:
    new = run(*VERDICTS, machine=MACHINE | {"cpu": ""})
    assert line(run(*VERDICTS), new) == "Not known to be fair: not recorded: the cpu"


def test_a_single_case_whose_bits_are_not_recorded_is_enough() -> None:
    base = run(*VERDICTS)
    new = [record for record in base if record != base[1]]
    assert line(base, new) == "Not known to be fair: not recorded: the bits of the cases"


def test_rungs_of_a_ladder_need_no_digest() -> None:
    rung = runs.verdict(property="ladder", suite="rungs", case="states")
    base = [*run(*VERDICTS)[:-1], rung, runs.footer()]
    assert compared(base, base).fair.fair


def test_foreign_text_is_shown_and_not_obeyed() -> None:
    base = run(*VERDICTS, machine=MACHINE | {"cpu": "\x1b[31mA\n"})
    assert line(base, run(*VERDICTS)).startswith("Not fair: cpu \\x1b[31mA\\n and ")


def test_a_target_that_is_called_otherwise_now_is_mapped() -> None:
    renamed = Told.of(run(*VERDICTS), {"torch": "torch-2.13"})
    assert renamed.header.targets[1:] == ("torch-2.13/native/cpu/float32", "torch-2.13/native/cpu/bfloat16")
    assert {key.target for key in renamed.verdicts} == {TARGET.replace("torch", "torch-2.13")}


def test_another_gpu_is_another_machine() -> None:
    versions = [{"torch": {"torch": "2.13.0", "gpu": gpu}} for gpu in ("NVIDIA A100", "NVIDIA H200")]
    found = compared(*(run(runs.verdict(), versions=own) for own in versions)).fair
    assert found.unlike == ("gpu of torch NVIDIA A100 and NVIDIA H200",) and found.elsewhere and not found.compared
    same = compared(*(run(runs.verdict(), versions=versions[0]) for _ in range(2))).fair
    assert same.fair and not same.elsewhere

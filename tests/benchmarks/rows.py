"""What a benchmark found, as records: the rows that the table must have, and what each of them was measured to be."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from gradassay._surroundings import machine

FOLDER = Path(__file__).parents[2] / "reports" / "bench"
FILE = FOLDER / "bench.json"

Kind = Literal["times faster", "times as long", "seconds"]


class Goal(msgspec.Struct, frozen=True):
    """One row of the table: what is done, against what, and what is wanted of it."""

    key: str
    work: str
    against: str
    wanted: str


GOALS = (
    Goal(
        "check-afresh",
        "certified check of y, h_n, c_n and of the gradients of x, h0, c0 and all parameters, truth afresh",
        "torch's gradcheck (slow mode) on x alone; `jax.test_util.check_grads`, order 1; `tf.test.compute_gradient`",
        "at least 30, 5 and 500 times faster",
    ),
    Goal(
        "check-known",
        "the same, truth from the cache or from a published vector",
        "the backend's own bare forward and backward",
        "at most 1.5 times as long, or 2 ms more",
    ),
    Goal(
        "jacobian",
        "the full Jacobian dy/dx, warm, conversion included, certification apart",
        "each framework's best hand-written route",
        "at most 1.15 times as long, or 1 ms more",
    ),
    Goal(
        "jacobian-rows",
        "the same",
        "`tape.jacobian` without pfor; `torch.autograd.functional.jacobian`, row by row; the finite-difference loop",
        "at least 10 times faster",
    ),
    Goal("block", "a block of k by k steps of dy/dx", "the full Jacobian", "cost in proportion, within 1.5 times"),
    Goal(
        "certified-jacobian",
        "truth and noise of the full Jacobian dy/dx, from scratch",
        "the prototype's 3.9 s, and 20 to 28 s",
        "under 0.5 s, and under 4 s",
    ),
    Goal(
        "truth",
        "truth of outputs and all gradients to B=1, T=512, N=H=128",
        "the count of arithmetic operations",
        "under 10 s and 4 GiB; growth no worse than the count",
    ),
    Goal("workers", "a sweep with truth in the cache, by two processes", "by one", "at least 1.7 times faster"),
    Goal(
        "startup",
        "`gradassay --help`; collection by pytest with the plugin unused",
        "-",
        "under 0.2 s; under 20 ms added",
    ),
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of a row.

    Attributes:
        goal: the key of its row.
        what: who did it, and in which way.
        against: the rival's best way, as it was called.
        size: of the call, in words; dtype: of its numbers.
        ours, theirs: medians, seconds. `theirs` is None where there is no rival.
        repetitions: of ours and of the rival's; theirs are fewer where one takes a second or more.
        compiled: seconds that were spent once, before anything was timed.
        measured: the figure that the goal is about, in words.
        reached: whether the goal was.
        error: how right what was timed is: noise units.
        note: where the time goes, and if the goal was not reached, why.
        all: medians of everything that was timed beside, seconds.
    """

    goal: str
    what: str
    against: str
    size: str
    dtype: str
    ours: float
    theirs: float | None
    repetitions: tuple[int, int]
    measured: str
    reached: bool
    error: str
    note: str
    compiled: float = 0.0
    all: dict[str, float] = {}


class Bench(msgspec.Struct, frozen=True):
    """All that one run of the benchmarks found, and where."""

    machine: dict[str, str]
    versions: dict[str, str]
    threads: dict[str, str]
    entries: tuple[Entry, ...]


def bench(entries: Sequence[Entry]) -> Bench:
    packages = ("gradassay", "torch", "jax", "tensorflow", "keras", "numpy", "python-flint")
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    here = machine() | {"processors": str(len(os.sched_getaffinity(0))) if platform.system() == "Linux" else ""}
    return Bench(here, {name: version(name) for name in packages}, threads, tuple(entries))


def read(path: Path = FILE) -> Bench:
    return msgspec.json.decode(path.read_bytes(), type=Bench)


def joined(before: Bench | None, now: Bench) -> Bench:
    """Return what is known after a part was measured again: what was not stays as it was."""
    if before is None or {entry.goal for entry in now.entries} == {goal.key for goal in GOALS}:
        return now

    def place(entry: Entry) -> tuple[str, ...]:
        return entry.goal, entry.what, entry.against, entry.size

    again = set(map(place, now.entries))
    kept = [entry for entry in before.entries if place(entry) not in again]
    order: Mapping[str, int] = {goal.key: number for number, goal in enumerate(GOALS)}
    entries = sorted([*kept, *now.entries], key=lambda entry: order[entry.goal])
    return Bench(now.machine, now.versions, now.threads, tuple(entries))


def faster(ours: float, theirs: float) -> str:
    return f"{theirs / ours:,.1f} times faster" if theirs > ours else f"{ours / theirs:,.2f} times slower"


def longer(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f} times as long, {(ours - theirs) * 1e3:+.2f} ms"


def within(ours: float, theirs: float, times: float, more: float) -> bool:
    """Whether ours takes at most so many times as long, or so many seconds more."""
    return ours <= times * theirs or ours - theirs <= more

"""Two processes against one over a sweep, and what starting costs: the command's help, and pytest with the plugin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.interleaved import interleaved, medians, seconds
from benchmarks.rows import faster

from gradassay import verify
from gradassay._cache import Cache
from gradassay._record import Footer, Record, Verdict
from gradassay.views._summary import Summary

Timed = Callable[[Callable[[], Any]], Any]
Found = Callable[..., None]
SWEEP: dict[str, Any] = {"targets": ["numpy"], "specs": ["lstm"], "suites": ["smoke", "questions", "cover"]}
ROUNDS = 2


def test_two_processes_over_a_sweep(timed: Timed, entry: Found, own_cache: Path) -> None:
    cache = Cache(own_cache)
    verify(cache=cache, workers=2, **SWEEP)  # truth and noise are known from here on
    runs: dict[int, list[Record]] = {}

    def run(workers: int) -> None:
        runs[workers] = verify(cache=Cache(own_cache), workers=workers, **SWEEP)

    def measure() -> dict[str, list[float]]:
        rounds = [(seconds(lambda: run(1)), seconds(lambda: run(2))) for _ in range(ROUNDS)]
        return {"1": [one for one, _ in rounds], "2": [two for _, two in rounds]}

    times = timed(measure)
    found = medians(times)
    outcomes = {w: sorted((v.target, v.case, v.property, v.tensor, v.outcome, v.max or 0.0)
                          for v in records if isinstance(v, Verdict)) for w, records in runs.items()}  # fmt: skip
    assert outcomes[1] == outcomes[2] and all(Summary.of(records).well for records in runs.values())
    footer = next(record for record in runs[1] if isinstance(record, Footer))
    parts = {name: getattr(footer.seconds, name) for name in ("framework", "truth", "noise", "harness")}
    entry(
        goal="workers",
        what="`gradassay verify numpy --spec lstm --suite smoke --suite questions --suite cover --workers 2`",
        against="the same without `--workers`",
        size=f"{len(outcomes[1]):,} verdicts",
        dtype="float64 and float32",
        ours=found["2"],
        theirs=found["1"],
        repetitions=(len(times["2"]), len(times["1"])),
        measured=faster(found["2"], found["1"]),
        reached=found["1"] >= 1.7 * found["2"],
        error="every verdict and every noise unit is the same",
        note="by one process: " + ", ".join(f"{name} {spent:.1f} s" for name, spent in parts.items()) + "; two also "
        "start a process of the backend each, and one joins their records",
    )


def test_starting(timed: Timed, entry: Found, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test(): pass\n")
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(tmp_path)]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    times = timed(
        lambda: interleaved({
            "help": lambda: run(sys.executable, "-m", "gradassay.cli", "--help"),
            "with the plugin": lambda: run(*collect),
            "without": lambda: run(*collect, "-p", "no:gradassay"),
        })
    )  # fmt: skip
    found = medians(times)
    added = found["with the plugin"] - found["without"]
    common: dict[str, Any] = {"goal": "startup", "size": "a new process", "dtype": "", "error": "-"}
    entry(
        what="`gradassay --help`",
        against="",
        ours=found["help"],
        theirs=None,
        repetitions=(len(times["help"]), 0),
        measured=f"{found['help']:.3f} s",
        reached=found["help"] < 0.2,
        note="`--help` imports click alone; a test counts the imports",
        **common,
    )
    entry(
        what="`pytest --collect-only` of one test, with the plugin installed and unused",
        against="the same with `-p no:gradassay`",
        ours=found["with the plugin"],
        theirs=found["without"],
        repetitions=(len(times["with the plugin"]), len(times["without"])),
        measured=f"{added * 1e3:+.1f} ms",
        reached=added < 0.020,
        note="the plugin imports itself alone until it is used; a test counts the imports",
        **common,
    )

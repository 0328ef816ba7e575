"""What the benchmarks share: the sizes, the frameworks, and a place for what they find."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.rows import FILE, FOLDER, GOALS, Entry, bench, joined, read
from benchmarks.table import table

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
FOUND: list[Entry] = []


@pytest.fixture
def entry() -> Callable[..., None]:
    """Return what a benchmark calls with every figure that it found."""
    return lambda **fields: FOUND.append(Entry(**fields))


@pytest.fixture
def timed(benchmark: Any) -> Callable[[Callable[[], Any]], Any]:
    """Return what runs a measurement once, as one benchmark: its own repetitions are interleaved."""
    return lambda measure: benchmark.pedantic(measure, rounds=1, iterations=1)


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", "")


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def x64() -> Iterator[None]:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was found beside what was found before, and the table of all, if no row is missing."""
    if not FOUND:
        return
    known = joined(read() if FILE.exists() else None, bench(FOUND))
    FOLDER.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")
    if {entry.goal for entry in known.entries} == {goal.key for goal in GOALS}:
        (FOLDER / "README.md").write_text(table(known), encoding="utf-8")

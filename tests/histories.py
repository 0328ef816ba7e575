"""Synthetic runs by the dozen: every version draws the roundings of every case anew, as a correct one does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import runs

from gradassay._record import Record, encode
from gradassay.runs._many import Many

TARGET = "torch/native/cpu/float32"
TENSORS = {"x": 96, "h0": 8, "weight_ih_l0": 64, "weight_hh_l0": 64, "bias_ih_l0": 16}
CASES = tuple(f"case-{number}" for number in range(12))

Factor = Callable[[str, str, str], float]  # (target, case, tensor) -> how much larger than it should be


def drawn(
    seed: int,
    *,
    target: str = TARGET,
    cases: Sequence[str] = CASES,
    tensors: dict[str, int] | None = None,
    factor: Factor = lambda target, case, tensor: 1.0,
    common: float = 0.2,
    speed: float = 1.0,
    busy: float = 0.05,
    clock: int | None = None,
    **fields: Any,
) -> list[Record]:
    """Verdicts on gradients whose errors are normal, drawn anew for each seed.

    Args:
        seed: equal ones give equal noise units, bit for bit.
        clock: the same of time; that of noise units by default.
        common: octaves by which all tensors of a case are off together.
        speed: seconds of a question.
        busy: octaves by which time scatters from run to run.
    """
    words, times = np.random.default_rng(seed), np.random.default_rng([1, seed if clock is None else clock])
    found: list[Record] = []
    slow = speed * 2.0 ** times.normal(0, busy)
    for case in cases:
        together = 2.0 ** words.normal(0, common)
        for number, (tensor, elements) in enumerate((tensors or TENSORS).items()):
            z = np.abs(words.normal(size=elements)) * together * factor(target, case, tensor)
            told = {"rms": float(np.sqrt(np.mean(z**2))), "max": float(z.max()), "elements": elements, "suite": "wide"}
            told |= {"seconds": slow * 0.01 if number == 0 else 0.0}
            found.append(runs.verdict(target=target, case=case, tensor=tensor, **(told | fields)))
    return found


def run(
    verdicts: Iterable[Record],
    *,
    version: str = "2.13.0",
    day: int = 1,
    versions: dict[str, str] | None = None,
    backend: str = "torch",
    **header: Any,
) -> list[Record]:
    told = {"versions": {backend: versions or {"torch": version}}, "started": f"2030-01-{day:02}T00:00:00Z"}
    told |= {"machine": {"system": "Linux-6", "processor": "x86_64", "cpu": "EPYC", "cores": "2"}}
    return [runs.header((TARGET,), **(told | header)), *verdicts, runs.footer(finished=f"{day}")]


def many(*taken: Iterable[Record]) -> Many:
    return Many.of((Path(f"run{number}.jsonl"), records) for number, records in enumerate(taken, start=1))


def write(path: Path, records: Iterable[Record]) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path

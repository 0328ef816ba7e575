"""What certainty costs: truth and noise of a full Jacobian, and of gradients up to long sequences and wide layers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.interleaved import interleaved, medians
from benchmarks.layers import MAIN, SMALL, Size, torch_lstm

from gradassay._case import Case, build
from gradassay._judge import noise_units
from gradassay._oracle import Oracle, Query
from gradassay._run import in_memory
from gradassay._spec import CaseTemplate
from gradassay_lstm import Call, spec

Timed = Callable[[Callable[[], Any]], Any]
Found = Callable[..., None]
PROTOTYPE = {SMALL: (3.9, 0.5), MAIN: (20.0, 4.0)}  # seconds that it took, and that are wanted
LARGEST = Size(1, 512, 128, 128)
SECONDS, BYTES = 10.0, 4 << 30
STEPS, WIDTHS = (64, 128, 256, 512), (32, 64, 128)
SLACK = 0.1  # of an exponent that is fitted to times

# In a process of its own, so that what it held at most is its own; what importing holds is told apart.
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from benchmarks.test_truth import case_of, gradients
from benchmarks.layers import Size
from gradassay._oracle import Oracle
from gradassay._run import in_memory

def peak():
    if not Path("/proc/self/status").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # Not `ru_maxrss` here: on Linux it counts from what the parent held when it started this process.
    (held,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return 1024 * int(held)

warm = case_of(Size(1, 4, 4, 4))
Oracle(in_memory()).ask(warm, gradients(warm))
before = peak()
found = []
for sizes in json.loads(sys.argv[1]):
    case, oracle = case_of(Size(*sizes)), Oracle(in_memory())
    start = time.perf_counter()
    answer = oracle.ask(case, gradients(case))
    took = time.perf_counter() - start
    worst = max(float((r.radius[~r.zero] / r.sigma[~r.zero]).max(initial=0.0)) for r in answer.values())
    found.append({"seconds": took, "peak": peak(), "radius": worst, "truth": oracle.seconds["truth"],
                  "blind": sum(bool(r.blind) for r in answer.values()), "bits": answer["y"].bits,
                  "rungs": sorted({r.rung for r in answer.values()})})
print(json.dumps({"before": before, "found": found}))
"""


def case_of(size: Size) -> Case:
    template = CaseTemplate("bench", size.config, Call(size.B, size.T), "unit", seed=1)
    return build(spec, "bench", template, "float64")


def gradients(case: Case) -> Query:
    return Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)


@pytest.mark.parametrize("size", PROTOTYPE, ids=str)
def test_a_certified_jacobian(size: Size, timed: Timed, entry: Found, no_cache: None) -> None:
    import torch

    case = case_of(size)
    query = Query("jacobian", wrt=("x",), of="y")

    def certify() -> Any:
        return Oracle(in_memory()).ask(case, query)["jacobian"]

    times = timed(lambda: interleaved({"certify": certify}))
    reference = certify()
    layer = torch_lstm(size).layer
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in case.parameters.items()})
    h0, c0 = (torch.from_numpy(case.inputs[name]) for name in ("h0", "c0"))
    got = torch.func.jacrev(lambda x: layer(x, (h0, c0))[0])(torch.from_numpy(case.inputs["x"])).detach().numpy()
    z = noise_units(got, reference)[~reference.zero]
    before, wanted = PROTOTYPE[size]
    oracle = Oracle(in_memory())
    oracle.ask(case, query)
    ours = medians(times)["certify"]
    entry(
        goal="certified-jacobian",
        what='`Oracle.ask(case, Query("jacobian", of="y", wrt=("x",)))`',
        against="the prototype",
        size=str(size),
        dtype="float64",
        ours=ours,
        theirs=before,
        repetitions=(len(times["certify"]), 1),
        measured=f"{ours:.2f} s",
        reached=ours < wanted,
        error=f"torch's Jacobian by it: {np.sqrt(np.mean(z**2)):.1f} RMS, {np.abs(z).max():.1f} at most; radius of the "
        f"truth at most {(reference.radius[~reference.zero] / reference.sigma[~reference.zero]).max():.1e}",
        note=f"at {size}: truth {oracle.seconds['truth']:.2f} s, noise {oracle.seconds['noise']:.2f} s, rung "
        f"{reference.rung}; {reference.zero.mean():.0%} of the entries are exactly zero",
    )


def test_long_sequences_and_wide_layers(timed: Timed, entry: Found, no_cache: None) -> None:
    def ask(*sizes: Size) -> Any:
        asked = json.dumps([[size.B, size.T, size.N, size.H] for size in sizes])
        done = subprocess.run([sys.executable, "-c", PROGRAM, asked], capture_output=True, text=True, check=True,
                              env=environment())  # fmt: skip
        return json.loads(done.stdout)

    def measure() -> Any:
        longer = [Size(1, T, 32, 32) for T in STEPS]
        wider = [Size(1, 64, H, H) for H in WIDTHS]
        return ask(LARGEST), ask(*longer)["found"], ask(*wider)["found"]

    largest, longer, wider = timed(measure)
    (at,) = largest["found"]
    by_steps = exponent(STEPS, [found["truth"] for found in longer])
    by_width = exponent(WIDTHS, [found["truth"] for found in wider])
    common: dict[str, Any] = {
        "goal": "truth", "against": "", "dtype": "float64", "theirs": None,
        "what": "`Oracle.ask(case, Query(\"vjp\", cotangents, wrt))`",
    }  # fmt: skip
    error = f"radius of the truth at most {at['radius']:.1e} noise units; {at['blind']} tensors blind"
    entry(
        size=str(LARGEST),
        ours=at["truth"],
        repetitions=(1, 0),
        measured=f"truth {at['truth']:.1f} s, with its noise {at['seconds']:.1f} s; {at['peak'] / 2**30:.2f} GiB",
        reached=at["truth"] < SECONDS and at["peak"] < BYTES,
        error=error,
        note=f"truth {at['truth']:.1f} s, noise {at['seconds'] - at['truth']:.1f} s; rung {', '.join(at['rungs'])} at "
        f"{at['bits']} bits; one repetition, in a process of its own, which held {largest['before'] / 2**20:.0f} MiB "
        "once everything was imported",
        **common,
    )
    for what, sizes, found, fitted, count in (
        ("T", STEPS, longer, by_steps, 1.0),
        ("H = N", WIDTHS, wider, by_width, 2.0),
    ):
        entry(
            size=f"{what} from {sizes[0]} to {sizes[-1]}, B=1, " + ("N=H=32" if what == "T" else "T=64"),
            ours=found[-1]["truth"],
            repetitions=(len(sizes), 0),
            measured=f"the truth's time grows as {what}^{fitted:.2f}; operations as {what}^{count:g}",
            reached=fitted <= count + SLACK,
            error=f"radius of the truth at most {max(one['radius'] for one in found):.1e} noise units",
            note=f"{what} = {', '.join(map(str, sizes))}: {times(found)}",
            **common,
        )


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Return the slope of log(time) over log(size), by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def times(found: list[Any]) -> str:
    return ", ".join(f"{one['truth']:.2f} s at {one['bits']} bits" for one in found)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "GRADASSAY_CACHE": ""}

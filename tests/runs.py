"""Synthetic records, to see views and the command without verifying anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradassay._record import Cause, Element, Footer, Header, Record, Seconds, Verdict

TARGETS = ("numpy/native/cpu/float64", "torch/native/cpu/float32", "torch/native/cpu/bfloat16")
WORST = Element(
    tensor="weight_hh_l1_reverse",
    index=(23, 0),
    where={"layer": "1", "direction": "reverse", "gate": "f", "unit": "3", "feature": "0"},
    got="0.12345",
    want="0.12341",
    sigma=1.25e-08,
    z=57.3,
)


def header(targets: Sequence[str] = TARGETS, **changes: Any) -> Header:
    told: dict[str, Any] = {
        "started": "2030-01-02T03:04:05Z",
        "suites": ("smoke", "wide"),
        "specs": {"lstm": "1", "mse": "2"},
        "limits": "1",
        "targets": tuple(targets),
        "properties": ("values", "gradients"),
        "versions": {"torch": {"torch": "2.13.0", "oneDNN": "3.11"}},
        "planned": dict.fromkeys(targets, 2),
    }
    return Header(**(told | changes))


def verdict(**changes: Any) -> Verdict:
    told: dict[str, Any] = {
        "target": TARGETS[1],
        "spec": "lstm",
        "suite": "wide",
        "case": "wide/ragged",
        "property": "gradients",
        "tensor": "x",
        "outcome": "passed",
        "elements": 400,
        "rms": 0.9,
        "max": 3.1,
        "limit_rms": 4.0,
        "limit_max": 14.2,
        "visible_whole": 8e-07,
        "visible_element": 5e-06,
    }
    return Verdict(**(told | changes))


def failed(**changes: Any) -> Verdict:
    told: dict[str, Any] = {
        "outcome": "failed",
        "tensor": "weight_hh_l1_reverse",
        "rms": 12.1,
        "max": 57.3,
        "worst": WORST,
        "still_right": ("x", "h0"),
        "reason": "RMS 12.1 is above 4",
        "ran": {"kernel": "oneDNN"},
        "replay": f"gradassay verify {TARGETS[1]} --suite wide --case wide/ragged --property gradients --in-process",
    }
    return verdict(**(told | changes))


def cause(**changes: Any) -> Cause:
    """Return the cause of the failing verdict of `failed`."""
    told: dict[str, Any] = {
        "backend": "torch",
        "target": TARGETS[1],
        "spec": "lstm",
        "suite": "wide",
        "case": "wide/ragged",
        "property": "gradients",
        "name": "gate-order-ifog",
        "sentence": "the gate order is i, f, o, g; should be i, f, g, o",
        "rms": 1.1,
        "max": 3.2,
        "before": 3.3e7,
        "tried": 150,
        "verdicts": 1,
        "accounts": {TARGETS[1]: {"lstm/wide/wide/ragged": {"gradients": ("weight_hh_l1_reverse",)}}},
    }
    return Cause(**(told | changes))


def skipped(**changes: Any) -> Verdict:
    told: dict[str, Any] = {"outcome": "skipped", "property": "hvp", "tensor": "", "rms": None, "max": None}
    return verdict(**(told | {"reason": "oneDNN has no forward mode"} | changes))


def footer(**changes: Any) -> Footer:
    told: dict[str, Any] = {
        "complete": True,
        "finished": "2030-01-02T03:05:05Z",
        "elapsed": 83.2,
        "seconds": Seconds(framework=61.0, truth=12.0, noise=8.0, harness=2.2),
        "counts": {},
    }
    return Footer(**(told | changes))


def good() -> list[Record]:
    """Return a run in which all is well: 6 verdicts passed on 3 targets, 1 skipped; the worst is 5.5."""
    values = [verdict(target=target, property="values", tensor="y") for target in TARGETS]
    gradients = [verdict(target=target, max=4.0 + number / 2) for number, target in enumerate(TARGETS, start=1)]
    return [header(), *values, *gradients, skipped(), footer()]


def bad() -> list[Record]:
    """Return the same run with one failing verdict, of `weight_hh_l1_reverse` in torch's float32."""
    records = good()
    return [*records[:-1], failed(), records[-1]]

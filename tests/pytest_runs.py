"""pytest, run by a test in a folder of its own: its outcomes by test, and what it printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TARGET = "numpy/eager/cpu/float64"

# A backend with a planted fault, which is an object of the test file.
SIMULATED = """
from dataclasses import replace
from gradassay._simulated import Simulated
from gradassay.testing import conformance
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES

class OneDtype(Simulated):
    @property
    def offers(self):
        return tuple(replace(offer, dtypes=("float64",)) for offer in super().offers)

fault = next(fault for fault in spec.faults if fault.name == "dc0-without-forget-factor")
faulty = OneDtype(spec, fault=fault, features=FEATURES)
"""


def pytest_in(folder: Path, source: str | None, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, on one test file that holds `source`, if there is one; every warning is an error."""
    if source is not None:
        (folder / "test_mine.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-W", "error", "--rootdir", str(folder), "-p", "no:benchmark"]
    return subprocess.run(
        [*command, *options, *(["test_mine.py"] if source is not None else [])],
        cwd=folder,
        env=os.environ | {"GRADASSAY_CACHE": str(folder.parent / "cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def conformance_in(folder: Path, *options: str, target: str = "numpy/float64") -> subprocess.CompletedProcess[str]:
    """Run `pytest --pyargs gradassay.conformance` in a folder, on a target, with the suite `smoke`."""
    asked = ["--pyargs", "gradassay.conformance", "--gradassay-target", target, "--gradassay-suite", "smoke"]
    return pytest_in(folder, None, *asked, *options)


def outcomes(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return PASSED, FAILED, ... by test, from the lines of `pytest -v`, which pytest-xdist writes the other way."""
    plain = re.findall(r"^(\S+::\S+) ([A-Z]+)", ended.stdout, re.M)
    spread = re.findall(r"^\[gw\d+\] +\[ *\d+%\] ([A-Z]+) (\S+::\S+)", ended.stdout, re.M)
    return dict(plain) | {test: outcome for outcome, test in spread}

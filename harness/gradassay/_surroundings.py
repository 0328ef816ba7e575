"""What a run is made with and where: the machine, the commit, our own version, the command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np


def machine() -> dict[str, str]:
    """Return what the numbers of a run may depend on, beside the versions of its frameworks."""
    return dict(_machine())


@cache
def _machine() -> dict[str, str]:
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": _cpu(),
        "cores": str(os.cpu_count() or ""),
    }


def commit() -> str:
    """Return the commit of the folder that the run was started in; empty outside a repository or without git."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def command(program: str) -> str:
    """Return what was typed, so that it can be typed again."""
    return shlex.join([program, *sys.argv[1:]])


@cache
def own_version() -> str:
    try:
        return version("gradassay")
    except PackageNotFoundError:  # a source tree that is not installed
        return ""


def _cpu() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")

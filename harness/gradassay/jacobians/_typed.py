"""Where the data of a typed Jacobian come from: a case of the spec's suites, or a file of NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gradassay import _plugins
from gradassay._case import build
from gradassay._errors import UsageError
from gradassay._spec import Array


def at_case(spec_name: str, suite: str, name: str | None) -> tuple[dict[str, Array], Any]:
    """Return (tensors in float64, configuration) of a case; the suite's first, if none is named.

    Raises:
        UsageError: if there is no such suite or case.
    """
    spec = _plugins.find("spec", spec_name).load()
    suites = spec.suites()
    if suite not in suites:
        raise UsageError(_plugins.unknown("suite", suite, suites))
    templates = {template.name: template for template in suites[suite]}
    if name is not None and name not in templates:
        raise UsageError(_plugins.unknown("case", name, templates))
    template = templates[name] if name is not None else suites[suite][0]
    return dict(build(spec, suite, template, "float64").tensors), template.config


def at_data(spec_name: str, path: Path, config: str) -> tuple[dict[str, Array], Any]:
    """Return (tensors by canonical names, configuration) from a `.npz` file and JSON.

    Raises:
        UsageError: if the file cannot be read, or the JSON is no configuration of the spec.
    """
    spec = _plugins.find("spec", spec_name).load()
    try:
        sizes = msgspec.json.decode(config, type=spec.config)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"--config is no configuration of {spec_name}: {error}") from error
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}, sizes
    except (OSError, ValueError, AttributeError, TypeError) as error:  # what NumPy raises for other files
        raise UsageError(f"{path} is no .npz file of tensors: {error}") from error

"""A backend of one's own as a distribution, complete but for its one function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from gradassay import _plugins
from gradassay._errors import UsageError
from gradassay._rearranged import axes_of
from gradassay._spec import CaseTemplate, Spec

FRAMEWORKS = {"jax": "jax.numpy as jnp", "numpy": "numpy as np", "tensorflow": "tensorflow as tf", "torch": "torch"}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

PYPROJECT = Template("""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gradassay-$name"
version = "0.1.0"
description = "$name, as a backend of Gradassay"
requires-python = ">=3.11"
dependencies = ["gradassay", "$spec_distribution", "gradassay-$framework"]

[project.entry-points."gradassay.backends"]
$name = "$package:$function"

[tool.hatch.build.targets.wheel]
packages = ["$package"]
""")

PACKAGE = Template('''\
"""$name, as a backend of Gradassay."""

from $package._$function import $function as $function
''')

FUNCTION = Template('''\
"""The one function to fill in. $framework is imported inside it: a run is planned without."""

from collections.abc import Mapping
from typing import Any

from gradassay_$framework import backend


# What it can do beyond the plain case, of
$features
# and what it does not name is not asked. More options: help(backend).
@backend(spec="$spec", name="$name", features=set())
def $function(config: Any, parameters: Mapping[str, Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compute the spec `$spec` of this configuration: $config.

    In the plain case there are, by name,

$given

    and what is returned, by name, is

$returned

    Axes that are joined by x stand one inside the other. What else there may be stands in the README of the spec.
    """
    import $imported  # noqa: F401

    raise NotImplementedError(
        "fill in $function of $package/_$function.py: compute $outputs, and return them by name"
    )
''')

README = Template("""\
# gradassay-$name

The spec `$spec` on $framework, as a backend of [Gradassay](https://pypi.org/project/gradassay/). All of it is one
function, `$function` of `$package/_$function.py`.

```
gradassay verify $package/_$function.py:$function     # while it is being written: nothing need be installed
pip install -e .
gradassay verify $name
pytest
```

When it passes, name the next feature in its decorator: what is not named is not asked.
""")

TESTS = Template("""\
from gradassay.testing import conformance

test_conformance = conformance("$name")
""")


@dataclass(frozen=True)
class Written:
    """A distribution that was written: its folder, and the file with the function to be filled in."""

    folder: Path
    file: Path
    function: str


def new_backend(name: str, framework: str, spec_name: str, into: Path) -> Written:
    """Write the distribution of a backend into a folder of its name.

    Raises:
        UsageError: if it cannot be: the name is taken or no name, the folder is there, the spec is not installed.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"'{name}' is no name for a backend: it should be lower-case words joined by -, as in my-lstm")
    if framework not in FRAMEWORKS:
        raise UsageError(_plugins.unknown("framework", framework, FRAMEWORKS))
    if taken := _plugins.backends().get(name):
        raise UsageError(f"{taken} is installed already; choose another name")
    plugin = _plugins.find("spec", spec_name)
    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} is there already; remove it, or give another name or --into")
    package, function = f"gradassay_{name.replace('-', '_')}", spec_name.replace("-", "_")
    words = {
        "name": name,
        "framework": framework,
        "imported": FRAMEWORKS[framework],
        "package": package,
        "function": function,
        "spec": spec_name,
        "spec_distribution": plugin.distribution,
        **_told(plugin.load()),
    }
    own = folder / package
    files = {
        folder / "pyproject.toml": PYPROJECT,
        folder / "README.md": README,
        folder / "tests" / "test_conformance.py": TESTS,
        own / "__init__.py": PACKAGE,
        own / f"_{function}.py": FUNCTION,
        own / "py.typed": Template(""),
    }
    for file, template in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.substitute(words), encoding="utf-8")
    return Written(folder, own / f"_{function}.py", function)


def _told(spec: Spec[Any, Any]) -> dict[str, str]:
    """Return what a spec says of itself to whoever fills in its function."""
    every = [template for templates in spec.suites().values() for template in templates]
    plain = min(every, key=lambda template: len(_features(spec, template)))
    table = spec.tensors(plain.config, plain.call)
    widest = max(len(tensor.name) for tensor in table)
    lines = {
        output: [
            f"        {tensor.name:{widest}}  ({', '.join(axes_of(tensor))})"
            for tensor in table
            if (tensor.role == "output") is output
        ]
        for output in (False, True)
    }
    features = sorted({feature for template in every for feature in _features(spec, template)})
    fields = ", ".join(spec.config.__struct_fields__)
    return {
        "given": "\n".join(lines[False]),
        "returned": "\n".join(lines[True]),
        "outputs": ", ".join(tensor.name for tensor in table if tensor.role == "output"),
        "features": f"#     {', '.join(features) or 'none: the spec has no features'}",
        "config": f"config has {fields}",
    }


def _features(spec: Spec[Any, Any], template: CaseTemplate) -> frozenset[str]:
    return spec.features(template.config, template.call)

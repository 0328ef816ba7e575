"""The sources that decide what a spec's equations compute: an edit of any of them must miss the cache."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

_NOT_FOLLOWED = sys.stdlib_module_names | {"numpy", "gradassay", "msgspec"}


@lru_cache(maxsize=64)
def source_of(function: Callable[..., Any]) -> str:
    """What a function is, and the source of every module that its code may reach, its own first.

    Followed are the modules that those sources import, anywhere in them. Of other packages that are installed, not
    worked on, the version counts. The standard library, NumPy and the harness are in the key otherwise.

    Raises:
        TypeError: if the function stands in no module, so that an edit of it could not be seen.
    """
    given: list[str] = []
    while isinstance(function, partial):
        given.append(f"{function.args!r} {function.keywords!r}")
        function = function.func
    home = inspect.getmodule(function)
    if home is None:
        raise TypeError(f"the equations {function!r} stand in no module: an edit of them could not be seen")
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", "")
    held = [repr(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    seen = {"": f"{getattr(function, '__qualname__', type(function))} {line} {held} {given}"}  # one of several, maybe
    package = home.__name__.split(".")[0]
    waiting = [home]
    while waiting:
        module = waiting.pop(0)
        top = module.__name__.split(".")[0]
        if top not in _NOT_FOLLOWED and top != package and _installed(module):
            seen[top] = f"{top} {_version(top)}"  # an installed package changes with its version
        elif top not in _NOT_FOLLOWED and module.__name__ not in seen:
            seen[module.__name__] = text = _source(module)
            waiting += _imported(module, text)
    return "\n".join(seen.values())


def _installed(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


def _version(top: str) -> str:
    try:
        return version(top)
    except PackageNotFoundError:
        return str(getattr(sys.modules.get(top), "__version__", ""))


def _source(module: ModuleType) -> str:
    """Its text; for a compiled or an empty module, which has none, its name and version."""
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return f"{module.__name__} {getattr(module, '__version__', '')}"


def _imported(module: ModuleType, text: str) -> Iterator[ModuleType]:
    """The modules that a source imports, in functions too, and those that its functions and classes come from."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # no Python source: the name and version of a compiled module
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = (module.__package__ or "").rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (parent, node.module or "") if part)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        yield from (sys.modules[name] for name in names if name in sys.modules)
    for value in list(vars(module).values()):
        if (inspect.isfunction(value) or inspect.isclass(value)) and (found := inspect.getmodule(value)) is not None:
            yield found

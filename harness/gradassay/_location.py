"""Where a backend of one's own stands: `fast.py:lstm`, or `module:lstm`. Read anywhere; opened in a worker alone."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import traceback
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from gradassay._errors import UsageError

# A file's path may hold slashes; after its name, a slash ends the name and begins the parts of a target.
_LOCATION = re.compile(r"(?P<where>.+?\.py|[\w.]+):(?P<name>[^/:]+)(?:/(?P<parts>.*))?", re.DOTALL)
_UNNAMED = re.compile(r"(?P<where>.+?\.py)(?:[:/].*)?", re.DOTALL)

DECORATE = 'from gradassay_torch import backend  (or _jax, _tensorflow, _numpy)\n@backend(spec="lstm")'
METHODS = ("name", "offers", "environment", "devices", "versions", "load")
FRAMES = 3  # of a traceback, the last ones


def split(text: str) -> tuple[str, list[str]]:
    """Return a target's backend, which may be a location, and its other parts.

    `jax/cpu:1` is ("jax", ["cpu:1"]), and `kernels/fast.py:lstm/float32` ("kernels/fast.py:lstm", ["float32"]).
    """
    if found := _LOCATION.fullmatch(text):
        parts = found["parts"]
        return f"{found['where']}:{found['name']}", [] if parts is None else parts.split("/")
    backend, *rest = text.split("/")
    return backend, rest


def backend_of(target: str) -> str:
    """Return the backend of a target in words."""
    return split(target)[0]


def is_location(backend: str) -> bool:
    return _LOCATION.fullmatch(backend) is not None


def unnamed(text: str) -> str:
    """Say what is wrong with a target that names a file and nothing in it; nothing, if it names no file."""
    found = _UNNAMED.fullmatch(text)
    if not found or _LOCATION.fullmatch(text):
        return ""
    where = found["where"]
    functions = _functions(Path(where))
    which = f"; it has {', '.join(functions)}" if functions else ""
    return f"target '{text}' names no function of {where}: write {where}:{functions[0] if functions else 'NAME'}{which}"


def _functions(path: Path) -> list[str]:
    """Return the functions at the top of a file, without running it; those that are decorated, if there are any."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # said when it is opened: here, only a hint is lost
        return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if f.decorator_list] or [f.name for f in functions]


@dataclass(frozen=True)
class Location:
    """A module or a file, and a name in it."""

    where: str
    name: str

    @classmethod
    def of(cls, backend: str) -> Location:
        found = _LOCATION.fullmatch(backend)
        assert found is not None, f"{backend} is no location"  # `is_location` has looked
        return cls(found["where"], found["name"])

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"

    @property
    def path(self) -> Path | None:
        return Path(self.where) if self.where.endswith(".py") else None

    def check(self) -> None:
        """Look, without running anything.

        Raises:
            UsageError: if there is no such file.
        """
        if self.path is None or self.path.is_file():
            return
        if self.path.is_dir():
            raise UsageError(f"{self.where} is a folder; name a file of it, such as {self.where}/fast.py:{self.name}")
        there = sorted(file.name for file in self.path.parent.glob("*.py")) if self.path.parent.is_dir() else []
        close = get_close_matches(self.path.name, there, n=2)
        hint = f"; did you mean {' or '.join(str(self.path.parent / name) for name in close)}?" if close else ""
        raise UsageError(f"there is no file {self.where} in {Path.cwd()}{hint}")

    def open(self) -> Any:
        """Run the file, or import the module, and return the backend that has the name.

        Raises:
            UsageError: if that cannot be done; the message quotes the file's own lines.
        """
        self.check()
        try:
            module = self._import() if self.path is None else self._run(self.path)
        except SyntaxError as error:
            line = f"\n{error.text.strip()}" if error.text else ""
            raise UsageError(f"{error.filename or self.where}, line {error.lineno}: {error.msg}{line}") from error
        except (Exception, SystemExit) as error:  # a module may do anything while it is imported
            if _missing(error, self.where):
                raise UsageError(
                    f"there is no module {self.where} in {Path.cwd()} or where Python looks; for a file, write "
                    f"{self.where.replace('.', '/')}.py:{self.name}"
                ) from error
            raise UsageError(f"{self.where} fails to import: {_told(error, self.path)}") from error
        return self._named(module)

    def _import(self) -> ModuleType:
        _see(Path.cwd())
        return importlib.import_module(self.where)

    def _run(self, path: Path) -> ModuleType:
        """Run a file as a module of its own name: neither `torch.py` nor a stale `.pyc` may stand in the way."""
        _see(path.resolve().parent)
        module = ModuleType(f"gradassay_file_{path.stem}")
        module.__file__ = str(path.resolve())
        sys.modules[module.__name__] = module  # dataclasses and compilers look their module up
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        return module

    def _named(self, module: ModuleType) -> Any:
        found: Any = module
        for attribute in self.name.split("."):
            if not hasattr(found, attribute):
                raise UsageError(self._unknown(module))
            found = getattr(found, attribute)
        if missing := [method for method in METHODS if not hasattr(found, method)]:
            decorate = f"put this above it:\n{DECORATE}"
            if callable(found) and not isinstance(found, type):
                raise UsageError(f"{self} is a plain function, which does not say what it computes: {decorate}")
            kind = f"of type {type(found).__name__}"
            raise UsageError(f"{self} is {kind} and no backend: it has no {missing[0]}. For a function, {decorate}")
        return found

    def _unknown(self, module: ModuleType) -> str:
        own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        backends = [name for name, value in own.items() if all(hasattr(value, method) for method in METHODS)]
        functions = [n for n, v in own.items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        names = backends or functions
        close = get_close_matches(self.name, names, n=2)
        kind = "" if backends else "no backend, but the plain function " if names else "no backend"
        hint = f"; did you mean {' or '.join(f'{self.where}:{name}' for name in close)}?" if close else ""
        return f"{self.where} has no {self.name}: it has {kind}{', '.join(names)}{hint}"


def _see(folder: Path) -> None:
    """Let a folder's modules be imported: last, where a folder that is called as a framework is shadows nothing."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _missing(error: BaseException, module: str) -> bool:
    return (
        isinstance(error, ModuleNotFoundError) and error.name is not None and f"{module}.".startswith(f"{error.name}.")
    )


def _told(error: BaseException, path: Path | None) -> str:
    """Return an exception and the last lines of its traceback from the file on."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [number for number, frame in enumerate(frames) if path is None or frame.filename == str(path)]
    shown = frames[own[0] :] if own else frames
    lines = [f"{frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in shown[-FRAMES:]]
    return "\n".join([f"{type(error).__name__}: {error}", *lines])

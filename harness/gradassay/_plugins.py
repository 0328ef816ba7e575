"""Plugins, found by entry point: those of this repository just as a stranger's."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires
from typing import Any, Literal

from gradassay._errors import UsageError
from gradassay._location import Location, is_location

Kind = Literal["spec", "backend"]
GROUPS: Mapping[Kind, str] = {"spec": "gradassay.specs", "backend": "gradassay.backends"}


class PluginError(UsageError):
    """A plugin that is unknown, ambiguous, or fails to import: the message names its distribution."""


@dataclass(frozen=True)
class Plugin:
    """One entry point, not imported yet. `refusal` says why it cannot be used, if it is already known.

    A spec given as "module:object" has that for its name, its module for a distribution, and no version. So has a
    backend, which may be given as "fast.py:function" too: see `Located`.
    """

    kind: Kind
    name: str
    value: str  # "module:object"
    distribution: str
    version: str
    refusal: str = ""

    def __str__(self) -> str:
        origin = f" of {self.distribution} {self.version} ({self.value})" if self.version else ""
        return f"{self.kind} `{self.name}`{origin}"

    def load(self) -> Any:
        """Import the plugin and return its object.

        Raises:
            PluginError: if it is refused, fails to import, or calls itself by another name.
        """
        if self.refusal:
            raise PluginError(self.refusal)
        try:
            found = _import(self.value)
        except (Exception, SystemExit) as error:  # a module may do anything while it is imported
            raise PluginError(f"{self} fails to import: {type(error).__name__}: {error}") from error
        if self.version and (own := getattr(found, "name", None)) != self.name:
            raise PluginError(f"{self} has the name {own!r}; it should be that of its entry point, {self.name!r}")
        return found

    def frameworks(self) -> tuple[str, ...]:
        """Names of the modules that this distribution needs and gradassay itself does not, as far as names tell."""
        needs = _requirements(self.distribution)
        return tuple(sorted(needs - _requirements("gradassay"))) or tuple(sorted(needs))


@dataclass(frozen=True)
class Located(Plugin):
    """A backend at "fast.py:function" or "module:object", which no process but a worker imports."""

    def load(self) -> Any:
        """Return what is known of it, as another process describes it."""
        from gradassay._described import describe

        return describe(self.name)

    def open(self) -> Any:
        """Import it, in this process."""
        return Location.of(self.name).open()


@dataclass(frozen=True)
class Broken:
    """A plugin that cannot be used, and why: it is reported, and does not stop the others."""

    plugin: Plugin
    message: str


def specs() -> dict[str, Plugin]:
    """Return the specs that are installed, sorted by name."""
    return _installed("spec")


def backends() -> dict[str, Plugin]:
    """Return the backends that are installed, sorted by name."""
    return _installed("backend")


def load_all(plugins: Iterable[Plugin]) -> tuple[dict[str, Any], tuple[Broken, ...]]:
    """Import plugins; return the objects by name, and those that cannot be used."""
    loaded, broken = {}, []
    for plugin in plugins:
        try:
            loaded[plugin.name] = plugin.load()
        except PluginError as error:
            broken.append(Broken(plugin, str(error)))
    return loaded, tuple(broken)


def find(kind: Kind, name: str) -> Plugin:
    """Return the plugin called `name`, or the one at "module:object"; a backend may be at "fast.py:function" too.

    Raises:
        PluginError: if there is none; the message lists what is installed, and what is close.
    """
    if kind == "backend" and is_location(name):
        return Located(kind, name, name, name.partition(":")[0], "")
    if ":" in name:
        return Plugin(kind, name, name, name.partition(":")[0], "")
    installed = _installed(kind)
    if name not in installed:
        raise PluginError(unknown(kind, name, installed))
    return installed[name]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that there is no such name, what there is, and what may have been meant."""
    names = sorted(known)
    listing = f"there {'are' if len(names) > 1 else 'is'} {', '.join(names)}" if names else "none is installed"
    close = get_close_matches(name, names, n=3)
    hint = f"; did you mean {' or '.join(f'`{match}`' for match in close)}?" if close else ""
    return f"there is no {what} `{name}`: {listing}{hint}"


def _installed(kind: Kind) -> dict[str, Plugin]:
    return dict(_listed(kind, _path()))


def _path() -> tuple[tuple[str, int], ...]:
    """Return where distributions are looked for, each folder with its latest change: installing one is a change."""
    found = []
    for folder in sys.path:
        with suppress(OSError):  # a folder that is not there, or a zip that is gone
            found.append((folder, os.stat(folder or ".").st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=8)
def _listed(kind: Kind, path: tuple[tuple[str, int], ...]) -> dict[str, Plugin]:
    """Return what is installed on a path as it is now: reading the metadata of everything there takes milliseconds."""
    named: defaultdict[str, dict[tuple[str, str], Plugin]] = defaultdict(dict)
    for entry in entry_points(group=GROUPS[kind]):
        plugin = _plugin(kind, entry)
        # An editable install can be listed twice: the same entry of the same distribution is one plugin.
        named[plugin.name].setdefault((_normal(plugin.distribution), plugin.value), plugin)
    return {name: _only(list(named[name].values())) for name in sorted(named)}


def _plugin(kind: Kind, entry: EntryPoint) -> Plugin:
    if entry.dist is None:
        raise PluginError(f"entry point {entry.name} = {entry.value} of {entry.group} belongs to no distribution")
    return Plugin(kind, entry.name, entry.value, entry.dist.name, entry.dist.version)


def _only(same: list[Plugin]) -> Plugin:
    if len(same) == 1:
        return same[0]
    first, *_ = same
    claims = " and ".join(sorted(f"{plugin.distribution} {plugin.version} ({plugin.value})" for plugin in same))
    refusal = f"{first.kind} `{first.name}` is refused, since {claims} both claim the name: uninstall all but one"
    both = ", ".join(sorted({plugin.distribution for plugin in same}))
    return Plugin(first.kind, first.name, first.value, both, first.version, refusal)


def _import(value: str) -> Any:
    module, _, path = value.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def _normal(distribution: str) -> str:
    """Normalise a distribution's name (PEP 503), and make it a module's."""
    return re.sub(r"[-_.]+", "_", distribution).lower()


def _requirements(distribution: str) -> set[str]:
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:  # "module:object", or a source tree on the path
        return set()
    names = (re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line)
    return {module for name in names if name and not (module := _normal(name.group())).startswith("gradassay")}

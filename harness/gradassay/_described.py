"""A backend that lives in a file or a module, as another process describes it: this one never runs the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from gradassay._backend import Model, Offer, Unsupported
from gradassay._errors import UsageError
from gradassay._location import Location
from gradassay._session import BackendError
from gradassay._spec import Tensors
from gradassay._target import Target

PATIENCE = 300.0  # seconds for the file to be run: it imports its framework, and may do more
LAST_WORDS = 5  # lines of what a process wrote before it ended


@dataclass(frozen=True)
class Described:
    """What is known of a backend without running it here; a session opens it by its name, as it was typed."""

    name: str
    offers: tuple[Offer, ...]
    variables: Mapping[str, str]

    def environment(self) -> Mapping[str, str]:
        return self.variables

    def devices(self) -> tuple[str, ...]:
        raise Unsupported(f"{self.name} is in another process")

    def versions(self) -> Mapping[str, str]:
        raise Unsupported(f"{self.name} is in another process")

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        raise Unsupported(f"{self.name} is in another process")


def describe(name: str) -> Described:
    """Return the backend at a location, such as "fast.py:lstm", as a process of its own describes it.

    Raises:
        UsageError: if there is no such file or name, it fails to import, or it is no backend.
    """
    location = Location.of(name)
    location.check()
    stamp = location.path.stat() if location.path else None
    return _describe(name, str(Path.cwd()), (stamp.st_mtime_ns, stamp.st_size) if stamp else ())


@lru_cache(maxsize=64)  # by what the file is now: collecting tests asks of the same one again
def _describe(name: str, folder: str, stamp: tuple[int, ...]) -> Described:
    from gradassay._process import Spawned

    with Spawned(name, {}, PATIENCE) as session:
        try:
            told = session.describe()
        except BackendError as error:
            if error.kind == "unsupported":
                raise UsageError(str(error)) from error
            said = error.traceback.splitlines()[-LAST_WORDS:] if error.kind in ("crash", "timeout") else []
            raise UsageError("\n".join([str(error), *said])) from error
    offers = msgspec.convert(told["offers"], tuple[Offer, ...])
    return Described(name, offers, told["environment"])

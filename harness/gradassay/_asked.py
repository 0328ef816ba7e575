"""What a run is asked, as one record that crosses to another process."""

from __future__ import annotations

import msgspec

from gradassay._waivers import Waiver


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `gradassay.verify` that are words and numbers; see there.

    `cache` is a folder, or None for a cache in memory; `cache_bytes` what it may hold.
    """

    targets: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    jobs: int | None = None
    deadline: float | None = None
    sweep: bool = False
    cache: str | None = None
    cache_bytes: int = 0
    waivers: tuple[Waiver, ...] = ()
    diagnose: bool = True
    ladder: bool | None = None
    shard: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one of several processes of a run is told: what is asked, and where they claim their questions."""

    asked: Asked
    folder: str
    number: int
    of: int
    path: tuple[str, ...]  # where the parent finds modules

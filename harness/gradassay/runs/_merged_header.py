"""The header of several files as that of one run; files that are not of one run are refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce

import msgspec

from gradassay._errors import UsageError
from gradassay._record import FORMAT, Header
from gradassay.runs._part import Part
from gradassay.views._words import printable, some

# What runs must have in common: a field of the header, and what it is called.
COMMON = {
    "specs": "versions of specs",
    "limits": "versions of the limits",
    "gradassay": "versions of gradassay",
    "suites": "suites",
    "properties": "properties",
    "cases": "cases",
    "sweep": "whether they are sweeps",
}
OF_SHARDS = {"targets": "targets", "commit": "commits"}
RELEASE = re.compile(r"\d+\.\d+")


def joined_header(parts: Sequence[Part]) -> Header:
    """Return the header of one run.

    Raises:
        UsageError: if the parts are not of one run.
    """
    first = parts[0]
    for part in parts[1:]:
        for field, noun in (COMMON | (OF_SHARDS if first.header.shard else {})).items():
            a, b = getattr(first.header, field), getattr(part.header, field)
            if a != b:
                told = f"{_text(a)} and {_text(b)}"
                raise UsageError(f"{first.name} and {part.name} differ in their {noun}: {told}; merge parts of one run")
    headers = [part.header for part in parts]
    targets = tuple(dict.fromkeys(target for header in headers for target in header.targets))
    planned = Counter[str]()
    for header in headers:
        planned.update(header.planned)
    commits = dict.fromkeys(header.commit for header in headers if header.commit)
    commands = dict.fromkeys(header.command for header in headers if header.command)
    return msgspec.structs.replace(
        first.header,
        format=FORMAT,
        started=min(header.started for header in headers),
        targets=targets,
        versions=_versions(parts),
        machine=reduce(_both, (header.machine for header in headers)),
        commit=" and ".join(commits),
        command="; ".join(commands),
        shard="",
        planned={target: planned[target] for target in targets},
        questions={key: words for header in headers for key, words in header.questions.items()},
    )


def _versions(parts: Sequence[Part]) -> dict[str, dict[str, str]]:
    """Join the versions of every backend.

    Releases must be the same. What has no release number (the instruction set of a processor) may differ between
    machines, and then both are said.
    """
    found: dict[str, dict[str, str]] = {}
    home: dict[str, Part] = {}
    for part in parts:
        for backend, own in part.header.versions.items():
            held = found.setdefault(backend, own)
            other = home.setdefault(backend, part)
            for name in {**held, **own}:
                a, b = held.get(name, ""), own.get(name, "")
                if a != b and (RELEASE.search(a) or RELEASE.search(b)):
                    told = f"{printable(backend)}'s {printable(name)}: {_text(a)} and {_text(b)}"
                    raise UsageError(f"{other.name} and {part.name} differ in {told}; merge parts of one run")
            found[backend] = _both(held, own)
    return found


def _both(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, str]:
    """Return what either says, and `x and y` where they differ."""
    joined = {}
    for name in {**a, **b}:
        said = [text for words in (a, b) for text in words.get(name, "").split(" and ") if text]
        joined[name] = " and ".join(dict.fromkeys(said))
    return joined


def _text(value: object) -> str:
    """A value of a header in a few words."""
    if isinstance(value, dict):
        return ", ".join(f"{printable(str(k))} {printable(str(v))}" for k, v in value.items()) or "none"
    if isinstance(value, tuple):
        return some([printable(str(item)) for item in value], 6) or "none"
    return printable(str(value)) or "none"

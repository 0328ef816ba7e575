"""Pages whose tables and pictures are made from a committed run: what is written between two marks is a program's.

<!-- made: NAME -->
...
<!-- end -->
"""

from __future__ import annotations

import lzma
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gradassay._record import Header, Record, Verdict, encode
from gradassay._record import read as read
from gradassay.runs._baseline import slim_verdict

MADE = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.,:/-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w.:/-]*\w)")
LIGHT = dict(
    ink="#1b2126", paper="#ffffff", muted="#5c6770", good="#1a7f37", bad="#c62828", warn="#9a6700",
    c1="#0067a8", c2="#bc4c00", c3="#1a7f37", c4="#8250df", c5="#b02a6f", c6="#4d2d00", c7="#0a7ea4", c8="#57606a",
)  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its first column to the left."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(page: str, made: Mapping[str, str]) -> str:
    """Return a page with what is made put in place.

    Raises:
        KeyError: if the page asks for what is not made.
    """
    return MADE.sub(lambda found: f"{found[1]}\n{made[found[2]].strip()}\n\n{found[3]}", page)


def unmade(page: str, also: str = "") -> list[str]:
    """Return the numbers that the prose of a page tells and no table of it holds; small whole ones are just words."""
    tables = MADE.findall(page)
    assert tables, "a page without anything made"
    held = set(re.findall(r"\d[\d,]*(?:\.\d+)?", "".join(found[0] for found in MADE.finditer(page)) + also))
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", MADE.sub(" ", page), flags=re.DOTALL)
    return [number for number in NUMBER.findall(prose) if number not in held and ("." in number or len(number) > 2)]


def light(svg: str) -> str:
    """Return an SVG that stands alone: the page's colours as they are on white."""
    coloured = re.sub(r"var\(--(\w+)\)", lambda found: LIGHT[found[1]], svg)
    ground = f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>\n'
    return coloured.replace("<title", f"{ground}<title", 1).replace('style="', 'style="font-family:sans-serif;', 1)


def put(files: Mapping[Path, str], *, check: bool) -> None:
    """Write files; or, to check, end with 1 if one of them is not what it should be."""
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        sys.exit(f"not what the records say: {', '.join(path.name for path in stale)}; run this without --check")
    for path in stale:
        path.write_text(text := files[path], encoding="utf-8")
        print(f"wrote {path.name}, {len(text):,} characters")


def store(path: Path, records: Iterable[Record]) -> None:
    """Write a run, compressed by xz."""
    data = b"".join(map(encode, records))
    path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    print(f"wrote {path.name}, {path.stat().st_size:,} bytes")


def headed(header: Header) -> Header:
    """Leave out of a header where on a machine the run was written, and what counted its progress."""
    command = re.sub(r"\S*/(\S+\.jsonl)", r"\1", header.command)
    return msgspec.structs.replace(header, command=command, planned={}, questions={})


def told(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}" if figure < 9.95 else f"{figure:,.0f}"


def digits(figure: float | None, many: int = 4) -> float | None:
    return None if figure is None else float(f"{figure:.{many}g}")


def bare(verdict: Verdict, **further: Any) -> Verdict:
    """A verdict's outcome and figures, in four digits, and nothing else but what is given."""
    return msgspec.structs.replace(slim_verdict(verdict), **further)


def question(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.case, verdict.property, verdict.tensor

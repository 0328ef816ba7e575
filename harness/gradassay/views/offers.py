"""What the installed backends offer, read from their static offers: no framework is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console

from gradassay._backend import OPERATORS, Gap, Mode, Offer
from gradassay._errors import UsageError
from gradassay._plugins import Broken, Plugin, load_all
from gradassay.views._lines import BAD, HEAD, Line, print_line
from gradassay.views._words import printable


def render(plugins: Mapping[str, Plugin], console: Console) -> tuple[Broken, ...]:
    """Write each backend with its distribution, version and offers; return those that cannot be used.

    Raises:
        UsageError: when no backend is installed.
    """
    if not plugins:
        raise UsageError("no backend is installed; from this repository: pip install -e backends/numpy")
    loaded, broken = load_all(plugins.values())
    for name, backend in loaded.items():
        plugin = plugins[name]
        print_line(
            console, Line(f"{printable(name)}  ({printable(plugin.distribution)} {printable(plugin.version)})", HEAD)
        )
        for offer in backend.offers:
            for number, (label, text) in enumerate(_offer(offer)):
                spec = "" if number else printable(offer.spec)
                print_line(console, Line(f"  {spec:8}  {label:10}  {text}", "", 24))
        print_line(console, Line(""))
    for refused in broken:
        print_line(console, Line(f"{printable(refused.plugin.name)}  cannot be used", BAD))
        for part in refused.message.splitlines():
            print_line(console, Line(f"  {printable(part)}"))
    return broken


def _offer(offer: Offer) -> Iterator[tuple[str, str]]:
    yield "modes", ", ".join(_mode(mode) for mode in offer.modes)
    yield "dtypes", _names(offer.dtypes)
    yield "devices", _names(offer.devices)
    yield "operators", _names([name for name in OPERATORS if name in offer.operators])
    yield "features", _names(sorted(offer.features)) or "none"
    for gap in offer.gaps:
        yield "cannot", f"{_gap(gap)}: {printable(gap.reason)}"


def _mode(mode: Mode) -> str:
    notes = [note for note, told in (("compiled", mode.compiled), ("sweep only", mode.sweep)) if told]
    return printable(mode.name) + (f" ({', '.join(notes)})" if notes else "")


def _gap(gap: Gap) -> str:
    """What a gap takes away: all that it names must come together."""
    kinds: tuple[tuple[str, frozenset[str]], ...] = (
        ("", gap.operators),
        ("in ", gap.modes),
        ("in ", gap.dtypes),
        ("with ", gap.features),
    )
    words = [before + " or ".join(sorted(map(printable, names))) for before, names in kinds if names]
    return " ".join(words) or "anything"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))

"""A target: `backend[/mode][/device][/dtype]`, in any order when typed, in that order when printed.

The backend may be a location, `fast.py:lstm` or `module:lstm`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from gradassay._errors import UsageError
from gradassay._location import is_location, split, unnamed

if TYPE_CHECKING:
    from gradassay._backend import Offer

DTYPES = ("float64", "float32", "bfloat16", "float16")

# Shells and pytest's -k read these themselves, so a target never holds one.
REFUSED = {
    "*": "leave a part out to mean all of it",
    "@": "separate its parts by '/'",
}


def numpy_dtype(name: str) -> np.dtype[np.generic]:
    """Return NumPy's dtype for one of `DTYPES`."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@dataclass(frozen=True, order=True)
class Target:
    backend: str
    mode: str
    device: str
    dtype: str

    def __str__(self) -> str:
        return "/".join((self.backend, self.mode, self.device, self.dtype))


def parse_targets(texts: Iterable[str], offers: Mapping[str, Sequence[Offer]], *, sweep: bool = False) -> list[Target]:
    """Return the targets that the texts name, in their order and without duplicates; no text means every backend.

    Raises:
        UsageError: as `parse`, and when no backend is installed.
    """
    if not offers:
        raise UsageError("no backend is installed; from this repository: pip install -e backends/numpy")
    found = (target for text in tuple(texts) or tuple(offers) for target in parse(text, offers, sweep=sweep))
    return list(dict.fromkeys(found))


def parse(text: str, offers: Mapping[str, Sequence[Offer]], *, sweep: bool = False) -> list[Target]:
    """Return the targets that one text names.

    The first part is a backend; each other part is a mode, a device or a dtype that it offers. A part that is
    left out means: every mode (those for sweeps when `sweep` is set), the first device, every dtype. A backend
    alone also gives its second device, in the default mode and every dtype: devices are then compared.

    Args:
        offers: what each backend offers, by name: those that are installed, and those whose location is named.

    Raises:
        UsageError: when a part is unknown, named twice or missing, or no offer has all parts together.
    """
    if fault := unnamed(text):
        raise UsageError(fault)
    backend, parts = split(text)
    for sign, advice in REFUSED.items():
        if any(sign in part for part in (parts if is_location(backend) else (text,))):
            raise UsageError(f"target '{text}' holds a '{sign}'; {advice}, as in {_example(offers)}")
    if not backend or not all(parts):
        mended = "/".join(part for part in (backend, *parts) if part)
        raise UsageError(f"target '{text}' has an empty part; write {mended or _example(offers)}")
    if backend not in offers:
        raise UsageError(_unknown_backend(text, backend, parts, offers))
    modes, devices, dtypes = (_offered(offers[backend], kind) for kind in ("modes", "devices", "dtypes"))
    mode = device = dtype = None
    for part in parts:
        if part in modes:
            mode = _once(text, "mode", mode, part)
        elif part in devices:
            device = _once(text, "device", device, part)
        elif part in dtypes:
            dtype = _once(text, "dtype", dtype, part)
        else:
            raise UsageError(_unknown_part(text, backend, part, modes, devices, dtypes))
    found, further = [], []
    for offer in offers[backend]:
        wanted = [m.name for m in offer.modes if (m.name == mode if mode else sweep or not m.sweep)]
        places = [d for d in offer.devices if d == device] if device else offer.devices[:1]
        numbers = [d for d in offer.dtypes if d == dtype or not dtype]
        found += [Target(backend, m, p, n) for m in wanted for p in places for n in numbers]
        if not parts:
            further += [Target(backend, m, p, n) for m in wanted[:1] for p in offer.devices[1:2] for n in numbers]
    if not found and mode is None and not sweep and modes:
        raise UsageError(f"every mode of {backend} is for sweeps: add --sweep, or name one of {', '.join(modes)}")
    if not found:
        raise UsageError(f"target '{text}' names nothing: no offer of {backend} has these parts together")
    return list(dict.fromkeys(found + further))


def _offered(offers: Sequence[Offer], kind: str) -> tuple[str, ...]:
    """Return the names of all modes, devices or dtypes of a backend, in the order of its offers."""
    names = (getattr(item, "name", item) for offer in offers for item in getattr(offer, kind))
    return tuple(dict.fromkeys(names))


def _once(text: str, kind: str, before: str | None, part: str) -> str:
    if before is not None:
        raise UsageError(f"target '{text}' names two {kind}s, {before} and {part}; type two targets instead")
    return part


def _example(offers: Mapping[str, Sequence[Offer]]) -> str:
    for backend, given in offers.items():
        if given:
            return f"{backend}/{given[0].dtypes[0]}"
    return "torch/float32"


def _meant(part: str, names: Iterable[str]) -> str:
    close = get_close_matches(part.lower(), list(names), n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _unknown_backend(text: str, backend: str, parts: list[str], offers: Mapping[str, Sequence[Offer]]) -> str:
    if moved := [part for part in parts if part in offers]:
        rest = [backend, *(part for part in parts if part != moved[0])]
        return f"target '{text}' should begin with its backend: write {'/'.join([moved[0], *rest])}"
    return f"no backend '{backend}' is installed{_meant(backend, offers)}; there are {', '.join(offers)}"


def _unknown_part(
    text: str, backend: str, part: str, modes: Sequence[str], devices: Sequence[str], dtypes: Sequence[str]
) -> str:
    return (
        f"target '{text}': '{part}' is no mode, device or dtype of {backend}"
        f"{_meant(part, (*modes, *devices, *dtypes))}; it offers the modes {', '.join(modes)}; "
        f"the devices {', '.join(devices)}; the dtypes {', '.join(dtypes)}"
    )

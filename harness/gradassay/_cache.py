"""Content-addressed answers on disk: truth and noise are computed once for a case and a dtype.

An entry is a checksum and a blob, written aside and moved into place, so that writers may race. What
cannot be read back is removed, counted, and computed again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
import tempfile
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import platformdirs

from gradassay._frame import FrameError, decode, encode
from gradassay._spec import Array, Tensors

CHECKSUM = 32  # bytes of a SHA-256
ABANDONED = 3600.0  # seconds after which an unfinished file has no writer any more
ROOM = 0.9  # of the limit is kept when entries are removed


class CacheWarning(UserWarning):
    """The disk cannot be used: answers are kept in memory, and computed again by the next run."""


class Cache:
    """Answers by key, in memory and on disk, both bounded, the least recently used going first. Threads may share it.

    Args:
        directory: where the entries rest; by default that of the environment variable `GRADASSAY_CACHE`
            (empty: in memory only), or else the user's cache directory.
        limit_bytes: what the disk may hold. Every process keeps to it by its own count, taken anew each time
            that it has written a sixteenth of the limit, so concurrent writers may exceed it by that much each.
        memory_bytes: what memory may hold.

    Attributes:
        corrupt: how many entries were found damaged, and removed.
    """

    def __init__(self, directory: Path | None = None, limit_bytes: int = 2 << 30, memory_bytes: int = 256 << 20):
        self.directory = _directory() if directory is None else directory
        self.limit_bytes, self.memory_bytes = limit_bytes, memory_bytes
        self.hits = self.misses = self.corrupt = 0
        self._lock = threading.RLock()
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._remembered = 0  # bytes in memory
        self._written = limit_bytes  # bytes written since the directory was last measured: measure at once
        self._measured = 0

    def get(self, key: str) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Return (metadata, tensors), the arrays new and writable; None on a miss."""
        with self._lock:
            blob = self._memory.get(key)
            answer = self._read(key) if blob is None else decode(blob)
            if answer is None:
                self.misses += 1
                return None
            self.hits += 1
            if blob is not None:
                self._memory.move_to_end(key)
            return answer

    def put(self, key: str, metadata: Mapping[str, Any], tensors: Tensors) -> None:
        """Keep an answer. If the disk refuses, a `CacheWarning` is given once and memory alone is used.

        Raises:
            FrameError: if it has no bytes.
        """
        blob = encode(metadata, tensors)
        with self._lock:
            self._remember(key, blob)
            if self.directory is None:
                return
            try:
                self._write(_path(self.directory, key), _checksum(key, blob) + blob)
            except OSError as error:
                self._give_up(error)

    def _read(self, key: str) -> tuple[dict[str, Any], dict[str, Array]] | None:
        if self.directory is None:
            return None
        path = _path(self.directory, key)
        try:
            entry = path.read_bytes()
            os.utime(path)  # used now
        except FileNotFoundError:
            return None
        except OSError as error:
            self._give_up(error)
            return None
        blob = entry[CHECKSUM:]
        try:
            if _checksum(key, blob) != entry[:CHECKSUM]:
                raise FrameError("the checksum is that of other bytes")
            answer = decode(blob)
        except FrameError:
            # A miss that is counted, not an error: the answer is computed again and the entry replaced.
            self.corrupt += 1
            path.unlink(missing_ok=True)
            return None
        self._remember(key, blob)
        return answer

    def _remember(self, key: str, blob: bytes) -> None:
        self._remembered += len(blob) - len(self._memory.pop(key, b""))
        self._memory[key] = blob
        while self._remembered > self.memory_bytes:
            self._remembered -= len(self._memory.popitem(last=False)[1])

    def _write(self, path: Path, entry: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as stream:
            try:
                stream.write(entry)
                stream.close()
                os.replace(stream.name, path)
            except BaseException:
                Path(stream.name).unlink(missing_ok=True)
                raise
        self._written += len(entry)
        if self._written >= self.limit_bytes / 16 or self._measured + self._written > self.limit_bytes:
            self._measured, self._written = self._make_room(), 0

    def _make_room(self) -> int:
        """Remove the least recently used entries until the limit holds; return the bytes that are left."""
        found = sorted(_entries(self.directory)) if self.directory is not None else []
        total = sum(size for _, size, _ in found)
        if total <= self.limit_bytes:
            return total
        for _, size, path in found:
            if total <= ROOM * self.limit_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    def _give_up(self, error: OSError) -> None:
        warnings.warn(
            f"the cache {self.directory} cannot be used ({error}): answers are kept in memory only; "
            "set GRADASSAY_CACHE to a writable directory, or to nothing",
            CacheWarning,
            stacklevel=3,
        )
        self.directory = None


def key(*parts: Any) -> str:
    """Return the hash of parts that matter: equal parts, equal key, on every machine and in every run.

    Parts are bytes, text, numbers, None, arrays (with dtype and shape), mappings and sets (in no order),
    sequences, records (dataclasses and msgspec's), and these within one another.

    Raises:
        TypeError: for anything else, which may not have the same bytes in the next run.
    """
    digest = hashlib.sha256()
    for chunk in _canonical(parts):
        digest.update(len(chunk).to_bytes(8, "little"))
        digest.update(chunk)
    return digest.hexdigest()


def _canonical(part: Any) -> Iterator[bytes]:
    """Yield a kind and then the content, so that 1, 1.0, True, "1" and b"1" differ."""
    if isinstance(part, np.generic):
        part = np.asarray(part)
    match part:
        case None | bool():
            yield repr(part).encode()
        case bytes() | bytearray():
            yield from (b"bytes", bytes(part))
        case str():
            yield from (b"text", part.encode())
        case int():
            yield from (b"integer", str(part).encode())
        case float():
            yield from (b"float", struct.pack("<d", part))
        case np.ndarray() if not part.dtype.hasobject:
            yield from (b"array", part.dtype.newbyteorder("<").name.encode(), repr(part.shape).encode())
            yield part.astype(part.dtype.newbyteorder("<")).tobytes()
        case Mapping() | AbstractSet():
            items = part.items() if isinstance(part, Mapping) else part
            yield from (b"mapping" if isinstance(part, Mapping) else b"set", str(len(part)).encode())
            yield from sorted(key(item).encode() for item in items)
        case list() | tuple():
            yield from (b"sequence", str(len(part)).encode())
            for item in part:
                yield from _canonical(item)
        case msgspec.Struct():
            yield from (b"record", type(part).__name__.encode())
            yield from _canonical(msgspec.structs.asdict(part))
        case _ if dataclasses.is_dataclass(part) and not isinstance(part, type):
            yield from (b"record", type(part).__name__.encode())
            yield from _canonical({field.name: getattr(part, field.name) for field in dataclasses.fields(part)})
        case _:
            raise TypeError(f"a {type(part).__name__} has no canonical bytes: {part!r:.80}")


def _directory() -> Path | None:
    chosen = os.environ.get("GRADASSAY_CACHE")
    if chosen is None:
        return platformdirs.user_cache_path("gradassay") / "answers"
    return Path(chosen) if chosen else None


def _path(directory: Path, key: str) -> Path:
    return directory / key[:2] / f"{key}.answer"


def _checksum(key: str, blob: bytes) -> bytes:
    """Hash the key too: an entry under another's name is damaged."""
    return hashlib.sha256(key.encode() + blob).digest()


def _entries(directory: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield (last use, bytes, path) of the entries; remove what a killed writer left behind."""
    for path in directory.glob("??/*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process made room
            continue
        if path.suffix == ".answer":
            yield status.st_mtime, status.st_size, path
        elif path.suffix == ".part" and time.time() - status.st_mtime > ABANDONED:
            path.unlink(missing_ok=True)

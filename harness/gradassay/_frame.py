"""Tensors and JSON to bytes and back: the only place where arrays meet bytes.

A blob is a safetensors file in memory, its metadata one JSON string in the header; a frame is a blob
behind its length. The same bytes cross to a worker, rest in the cache, and are saved as failing cases.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import IO, Any

import ml_dtypes
import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from gradassay._spec import Array, Tensors

KEY = "gradassay"  # the one entry of the header's `__metadata__`
PREFIX = 8  # bytes of a length, little-endian: of a header in its blob, and of a blob in its frame
LARGEST = 1 << 34  # bytes of a blob; a longer frame is taken for noise on the stream
DTYPES: Mapping[str, np.dtype[Any]] = {
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "BOOL": np.dtype(np.bool_),
    **{f"F{size * 8}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"{sign.upper()}{size * 8}": np.dtype(f"<{sign}{size}") for sign in "iu" for size in (1, 2, 4, 8)},
}


class FrameError(Exception):
    """Bytes that are not a frame, or tensors that cannot be one: the message says what is wrong."""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def encode(metadata: Mapping[str, Any], tensors: Tensors) -> bytes:
    """Return one blob.

    Args:
        metadata: JSON values; its floats must be finite, since JSON has neither NaN nor Inf.
        tensors: arrays of `DTYPES`, of any shape, order and strides.

    Raises:
        FrameError: if a tensor's name or dtype, or the metadata, cannot be written.
    """
    try:
        text = json.dumps(metadata, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise FrameError(f"metadata is not JSON: {error}") from error
    dense = {}
    for name, array in tensors.items():
        if name == "__metadata__":
            raise FrameError("a tensor is named '__metadata__', a name that the format keeps for itself")
        _check_dtype(name, array)
        # safetensors 0.8 reads memory as if it were C-contiguous, and so writes other arrays wrong without a word.
        dense[name] = np.asarray(array, order="C")
    try:
        return save(dense, {KEY: text})
    except SafetensorError as error:
        raise FrameError(f"safetensors refuses the tensors: {error}") from error


def decode(blob: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return (metadata, tensors) of a blob; the arrays are new, writable and C-contiguous.

    We read the header ourselves, since the NumPy loader of safetensors 0.8 has no BF16 and drops the metadata.

    Raises:
        FrameError: if the blob is not what `encode` makes.
    """
    if len(blob) < PREFIX:
        raise FrameError(f"a blob of {len(blob)} bytes has no room for the {PREFIX} bytes of its header's length")
    start = PREFIX + int.from_bytes(blob[:PREFIX], "little")
    if start > len(blob):
        raise FrameError(f"the header should end at byte {start}, but the blob has {len(blob)} bytes")
    try:
        header = msgspec.json.decode(blob[PREFIX:start], type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(header.pop("__metadata__", b"{}"), type=dict[str, str])
        entries = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in header.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError(f"the header is not one of safetensors: {error}; it begins {blob[PREFIX:][:40]!r}") from error
    if KEY not in metadata:
        raise FrameError(f"the header's metadata has no {KEY!r}: these tensors were written by something else")
    try:
        ours = msgspec.json.decode(metadata[KEY], type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise FrameError(f"the metadata is not a JSON object: {error}") from error
    data, end, tensors = memoryview(blob)[start:], 0, {}
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        if entry.data_offsets[0] != end:
            raise FrameError(f"tensor {name!r} starts at byte {entry.data_offsets[0]} of the data; should be {end}")
        end = entry.data_offsets[1]
        tensors[name] = _array(name, entry, data)
    if end != len(data):
        raise FrameError(f"the data have {len(data)} bytes, but the tensors take {end}")
    return ours, tensors


def copies(tensors: Tensors) -> dict[str, Array]:
    """Return what would come out of a frame, without one: arrays of the same dtypes, new, writable, C-contiguous.

    Raises:
        FrameError: for a dtype that a frame does not carry.
    """
    for name, array in tensors.items():
        _check_dtype(name, array)
    return {name: array.astype(array.dtype.newbyteorder("="), order="C", copy=True) for name, array in tensors.items()}


def _check_dtype(name: str, array: Array) -> None:
    if array.dtype.newbyteorder("<") not in DTYPES.values():
        raise FrameError(f"tensor {name!r} has dtype {array.dtype}; it should be one of {', '.join(_names())}")


def _array(name: str, entry: _Entry, data: memoryview) -> Array:
    if entry.dtype not in DTYPES:
        raise FrameError(f"tensor {name!r} has dtype {entry.dtype!r}; it should be one of {', '.join(DTYPES)}")
    dtype, (begin, end) = DTYPES[entry.dtype], entry.data_offsets
    if min(entry.shape, default=0) < 0:
        raise FrameError(f"tensor {name!r} has shape {list(entry.shape)}; no size may be negative")
    if end - begin != prod(entry.shape) * dtype.itemsize:
        raise FrameError(
            f"tensor {name!r} of {entry.dtype} and shape {list(entry.shape)} has {end - begin} bytes; "
            f"it should have {prod(entry.shape) * dtype.itemsize}"
        )
    if end > len(data):
        raise FrameError(f"tensor {name!r} should end at byte {end} of the data, which end at {len(data)}")
    # A dtype of the machine's own byte order, and a copy: aligned, writable, sharing nothing with the blob.
    return np.frombuffer(data[begin:end], dtype).reshape(entry.shape).astype(dtype.newbyteorder("="))


def _names() -> list[str]:
    return sorted(dtype.name for dtype in DTYPES.values())


def write_frame(stream: IO[bytes], blob: bytes) -> None:
    """Write one frame, and flush."""
    stream.write(len(blob).to_bytes(PREFIX, "little"))
    stream.write(blob)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the next blob; None if the stream has ended where a frame ends.

    Raises:
        FrameError: if the stream ends within a frame, or what it holds is no frame.
    """
    prefix = stream.read(PREFIX)
    if not prefix:
        return None
    length = int.from_bytes(prefix, "little")
    if len(prefix) < PREFIX:
        raise FrameError(f"the stream ended after {len(prefix)} of the {PREFIX} bytes of a frame's length: {prefix!r}")
    if length > LARGEST:
        raise FrameError(f"a frame of {length} bytes is announced, more than {LARGEST}: the stream has {prefix!r}")
    blob = stream.read(length)
    if len(blob) < length:
        raise FrameError(f"the stream ended after {len(blob)} of the {length} bytes of a frame")
    return blob

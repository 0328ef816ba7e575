"""Tensors to bytes and back."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save

from gradassay._frame import DTYPES, FrameError, decode, encode, read_frame, write_frame


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


OURS = {"__metadata__": {"gradassay": "{}"}}


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    assert got.tobytes() == np.ascontiguousarray(want).tobytes()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=list(DTYPES))
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (0,), (2, 0, 5)], ids=str)
def test_every_dtype_and_shape_survives(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    array = np.frombuffer(np.random.default_rng(0).bytes(12 * 8), np.uint8)
    array = (array % 2).astype(bool) if dtype.kind == "b" else array.view(dtype)
    array = np.resize(array, shape)
    metadata, tensors = decode(encode({"a": [1, "é\n", None]}, {"t": array, "": array}))
    assert metadata == {"a": [1, "é\n", None]}
    assert_same(tensors["t"], array)
    assert_same(tensors[""], array)
    assert tensors["t"].flags.writeable and tensors["t"].flags.c_contiguous and tensors["t"].flags.owndata


@given(
    arrays(st.sampled_from(["<f8", "<f4", "<i8", ">f8"]), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
def test_memory_order_does_not_matter(array: np.ndarray) -> None:
    other = array.astype(array.dtype.newbyteorder("="))
    views = {"t": array.T, "f": np.array(array, order="F"), "r": array[::-1] if array.ndim else array}
    views["b"] = np.broadcast_to(array, (2, *array.shape))
    _, tensors = decode(encode({}, views))
    assert_same(tensors["t"], other.T)
    assert_same(tensors["f"], other)
    assert_same(tensors["r"], other[::-1] if array.ndim else other)
    assert_same(tensors["b"], np.stack([other, other]))


def test_nan_payloads_subnormals_and_minus_zero_keep_their_bits() -> None:
    array = np.array([0x7FF8000000000123, 0xFFF0000000000001, 1, 0x8000000000000000], np.uint64).view(np.float64)
    assert_same(decode(encode({}, {"a": array}))[1]["a"], array)


def test_equal_content_has_equal_bytes() -> None:
    a, b = np.arange(3.0), np.arange(4)
    assert encode({"x": 1, "y": 2}, {"a": a, "b": b}) == encode({"y": 2, "x": 1}, {"b": b, "a": a})


@pytest.mark.parametrize(
    ("metadata", "tensors", "message"),
    [
        ({"z": float("nan")}, {}, "metadata is not JSON: Out of range float values"),
        ({"z": {1, 2}}, {}, "metadata is not JSON: Object of type set"),
        ({}, {"a": np.array(1j)}, "tensor 'a' has dtype complex128; it should be one of bfloat16, bool, float16"),
        ({}, {"a": np.array([None])}, "tensor 'a' has dtype object"),
        ({}, {"__metadata__": np.array(1.0)}, "a tensor is named '__metadata__'"),
    ],
)
def test_what_cannot_be_written_is_refused(metadata: Any, tensors: Any, message: str) -> None:
    with pytest.raises(FrameError, match=re.escape(message)):
        encode(metadata, tensors)


def entry(dtype: str = "F64", shape: Any = (1,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return OURS | {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"", "a blob of 0 bytes has no room"),
        (b"\x01\x00\x00", "a blob of 3 bytes has no room"),
        ((99).to_bytes(8, "little") + b"{}", "the header should end at byte 107, but the blob has 10 bytes"),
        (raw(b"hello, world"), "the header is not one of safetensors"),
        (raw(b"hello, world"), "it begins b'hello, world'"),
        (raw(b"\xff\xfe{}"), "the header is not one of safetensors"),
        (raw([1]), "the header is not one of safetensors: Expected `object`, got `array`"),
        (raw({}), "the header's metadata has no 'gradassay'"),
        (save({"a": np.zeros(1)}), "the header's metadata has no 'gradassay'"),
        (raw({"__metadata__": {"gradassay": "[]"}}), "the metadata is not a JSON object"),
        (raw(OURS | {"a": {"dtype": "F64"}}), "missing required field `shape`"),
        (raw(entry("C64"), bytes(8)), "tensor 'a' has dtype 'C64'; it should be one of BF16"),
        (raw(entry(shape=(-1,), offsets=(0, 0))), "tensor 'a' has shape [-1]; no size may be negative"),
        (raw(entry(shape=(2,)), bytes(8)), "tensor 'a' of F64 and shape [2] has 8 bytes; it should have 16"),
        (raw(entry(offsets=(8, 16)), bytes(16)), "tensor 'a' starts at byte 8 of the data; should be 0"),
        (raw(entry(), bytes(4)), "tensor 'a' should end at byte 8 of the data, which end at 4"),
        (raw(entry(), bytes(9)), "the data have 9 bytes, but the tensors take 8"),
    ],
)
def test_malformed_bytes_say_what_is_wrong(blob: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=re.escape(message)):
        decode(blob)


BLOB = encode({"a": 1}, {"x": np.arange(6.0), "y": np.array([True])})


@given(st.integers(0, len(BLOB) - 1))
def test_a_blob_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(FrameError):
        decode(BLOB[:length])


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_is_raised(noise: bytes) -> None:
    with pytest.raises(FrameError):
        decode(noise)


def test_frames_follow_one_another_until_the_stream_ends() -> None:
    stream = io.BytesIO()
    for blob in (BLOB, b"", b"x"):
        write_frame(stream, blob)
    stream.seek(0)
    assert [read_frame(stream) for _ in range(4)] == [BLOB, b"", b"x", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x05\x00", "the stream ended after 2 of the 8 bytes of a frame's length"),
        ((5).to_bytes(8, "little") + b"abc", "the stream ended after 3 of the 5 bytes of a frame"),
        (b"Hello from a print statement", "is announced, more than 17179869184: the stream has b'Hello fr'"),
    ],
)
def test_a_broken_stream_says_how(content: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=re.escape(message)):
        read_frame(io.BytesIO(content))

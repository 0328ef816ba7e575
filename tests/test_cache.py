"""The cache: what was put comes back or is missed, whatever happens to the disk meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradassay._cache import ABANDONED, Cache, CacheWarning, key
from gradassay._frame import FrameError

ANSWER = {"sigma": np.arange(6.0).reshape(2, 3), "y": np.array([1.5], ml_dtypes.bfloat16)}


def put_and_forget(directory: Path, name: str = "one", limit_bytes: int = 1 << 20) -> Path:
    """Put an answer on the disk and return its file; nothing is left in memory."""
    Cache(directory, limit_bytes).put(key(name), {"bits": 128}, ANSWER)
    (path,) = directory.glob(f"*/{key(name)}.*")
    return path


def test_an_answer_comes_back_from_memory_and_from_disk(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(key("one"), {"bits": 128}, ANSWER)
    for reader in (cache, Cache(tmp_path)):
        found = reader.get(key("one"))
        assert found is not None and found[0] == {"bits": 128}
        for name, array in ANSWER.items():
            assert found[1][name].dtype == array.dtype
            np.testing.assert_array_equal(found[1][name], array)
        assert reader.get(key("two")) is None
        assert (reader.hits, reader.misses, reader.corrupt) == (1, 1, 0)


def test_a_reader_may_write_into_what_it_got(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(key("one"), {}, ANSWER)
    for _ in range(2):
        found = cache.get(key("one"))
        assert found is not None and found[1]["sigma"][0, 1] == 1.0
        found[1]["sigma"][...] = 7


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "one bit": _flip,
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut within the checksum": lambda path: os.truncate(path, 10),
    "empty": lambda path: os.truncate(path, 0),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "another's": lambda path: path.write_bytes(put_and_forget(path.parent.parent, "two").read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_entry_is_a_miss_that_is_counted_and_removed(tmp_path: Path, damage: Any) -> None:
    path = put_and_forget(tmp_path)
    damage(path)
    cache = Cache(tmp_path)
    assert cache.get(key("one")) is None
    assert (cache.corrupt, cache.misses, path.exists()) == (1, 1, False)
    cache.put(key("one"), {"bits": 64}, ANSWER)
    again = Cache(tmp_path).get(key("one"))
    assert again is not None and again[0] == {"bits": 64}


def test_the_least_recently_used_go_when_the_disk_is_full(tmp_path: Path) -> None:
    size = put_and_forget(tmp_path, "0").stat().st_size
    limit = 10 * size
    for number in range(1, 10):
        put_and_forget(tmp_path, str(number), limit)
    for number in range(10):
        os.utime(tmp_path / key(str(number))[:2] / f"{key(str(number))}.answer", (number, number))
    assert Cache(tmp_path, limit).get(key("0")) is not None  # used: now the most recent
    put_and_forget(tmp_path, "new", limit)
    left = {name for name in [*map(str, range(10)), "new"] if Cache(tmp_path, limit).get(key(name))}
    assert left == {"0", *map(str, range(3, 10)), "new"}
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= limit


def test_memory_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", "")
    cache = Cache(memory_bytes=3_000)  # room for three of these
    for number in range(5):
        cache.put(key(number), {}, {"a": np.zeros(100)})
        assert cache.get(key(0)) is not None or number > 2
        assert cache.get(key(number)) is not None
    assert sum(cache.get(key(number)) is not None for number in range(5)) == 3
    cache.put(key("large"), {}, {"a": np.zeros(1000)})
    assert cache.get(key("large")) is None


def test_what_a_killed_writer_left_behind_is_removed(tmp_path: Path) -> None:
    folder = put_and_forget(tmp_path).parent
    old, new = folder / "old.part", folder / "new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 2 * ABANDONED,) * 2)
    put_and_forget(tmp_path, "two")
    assert not old.exists() and new.exists()


@pytest.mark.parametrize(("value", "expected"), [("", None), ("/some/where", Path("/some/where"))])
def test_the_environment_names_the_directory_or_none(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: Path | None
) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", value)
    assert Cache().directory == expected
    monkeypatch.delenv("GRADASSAY_CACHE")
    standing = Cache().directory
    assert standing is not None and standing.parts[-2:] == ("gradassay", "answers")


def test_without_a_directory_memory_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", "")
    monkeypatch.chdir(tmp_path)
    cache = Cache()
    cache.put(key("one"), {}, ANSWER)
    assert cache.get(key("one")) is not None and not list(tmp_path.iterdir())


def test_a_disk_that_cannot_be_written_is_warned_of_once(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    cache = Cache(blocked / "answers")
    with pytest.warns(CacheWarning, match=r"the cache .*answers cannot be used \(.*\): answers are kept in memory"):
        cache.put(key("one"), {}, ANSWER)
    cache.put(key("two"), {}, ANSWER)
    assert cache.get(key("one")) is not None


def test_what_has_no_bytes_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FrameError):
        Cache(tmp_path).put(key("one"), {}, {"a": np.array([None])})
    assert not list(tmp_path.iterdir())


def test_threads_may_share_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", "")
    cache = Cache(memory_bytes=2_000)  # room for two: entries go while others look at them

    def work(seed: int) -> None:
        for turn in range(300):
            number = (turn * seed) % 5
            found = cache.get(key(number))
            assert found is None or found[0] == {"number": number}
            cache.put(key(number), {"number": number}, {"a": np.zeros(100)})

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, (1, 2, 3, 4)))
    finally:
        sys.setswitchinterval(interval)
    assert cache.hits + cache.misses == 1200
    held = sum(len(blob) for blob in cache._memory.values())
    assert cache._remembered == held <= cache.memory_bytes


WRITER = """
import sys
from pathlib import Path
import numpy as np
from gradassay._cache import Cache, key
directory, seed, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
wrong = 0
for turn in range(60):
    for number in range(5):
        cache = Cache(directory, limit, memory_bytes=0)
        found = cache.get(key(number))
        if found is not None:
            wrong += not (found[1]["a"] == number).all() or found[0] != {"number": number}
        wrong += cache.corrupt
        cache.put(key(number), {"number": number}, {"a": np.full(2000 + number, float(number))})
print(wrong)
"""


@pytest.mark.parametrize("limit", [1 << 30, 40_000], ids=["with room", "while evicting"])
def test_writers_in_many_processes_never_spoil_an_answer(tmp_path: Path, limit: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(seed), str(limit)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    told = [writer.communicate(timeout=120) for writer in writers]
    assert told == [("0\n", "")] * 3
    assert not list(tmp_path.glob("*/*.part"))


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


class Size(msgspec.Struct, frozen=True):
    width: int


class Other(msgspec.Struct, frozen=True):
    width: int


DIFFERENT: list[Any] = [
    *(None, True, 1, 1.0, "1", b"1", 0.0, -0.0, float("nan"), "ab", ["a", "b"], "a b"),
    *([], [1], [1, 2], [2, 1], [[1], 2], {}, {1}, {1: 2}, {"1": 2}, {1: 2, 3: 4}),
    *(np.array(1.0, dtype) for dtype in ("float64", "float32", "float16", ml_dtypes.bfloat16, "int64", "bool")),
    *(np.array([1.0]), np.array([[1.0]]), np.zeros((2, 3)), np.zeros((3, 2)), np.zeros((0, 2))),
    *(Point(1), Point(1, 2), Size(1), Other(1)),
]


def test_parts_that_differ_have_keys_that_differ() -> None:
    keys = [key(part) for part in DIFFERENT]
    assert len(set(keys)) == len(keys)
    assert key("a", "b") != key("ab") != key("a b") and key() != key(()) and key(1, [2]) != key([1], 2)


def test_parts_that_are_equal_have_one_key() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert key(a) == key(a.copy(order="F")) == key(a.astype(">f8")) == key(np.broadcast_to(a, (1, 2, 3))[0])
    assert key({"a": 1, "b": [2]}) == key({"b": (2,), "a": 1}) and key({"a", "b", "c"}) == key({"c", "a", "b"})


def test_a_key_is_the_same_forever() -> None:
    """A change here makes every cache a cold one: it should be meant."""
    part = {"config": Size(3), "x": np.arange(3, dtype=np.float32), "dtype": "float32", "samples": 32, "u": 2.0**-24}
    assert key("truth", part, None, [b"\0", True]) == FOREVER


FOREVER = "734d3a951749e96a32064f64e69fb233c7a961ef55953c32ee54189d888277ab"


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab1", max_size=2) | st.floats(-2, 2, width=16),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab", max_size=1), part, max_size=3),
    max_leaves=4,
)


@given(PARTS, PARTS)
def test_keys_are_equal_exactly_when_contents_are(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (key(one) == key(other)) is same
    assert key(one) == key(json.loads(json.dumps(one)))


@pytest.mark.parametrize(
    "part",
    [object(), Point, np.array([None]), {1: object()}, lambda: 0],
    ids=["object", "class", "array of objects", "object within", "function"],
)
def test_what_may_change_between_runs_has_no_key(part: Any) -> None:
    with pytest.raises(TypeError, match="has no canonical bytes"):
        key(part)

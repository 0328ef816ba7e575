from __future__ import annotations

import gzip
import io
import lzma
import math
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import runs

from gradassay._record import FORMAT, Element, Header, Record, RecordError, Truth, counts, encode, read, write
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES

HEADER = encode(runs.header())
VERDICT = encode(runs.failed())


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "run.jsonl"
    path.write_bytes(content)
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    truth = Truth(rung="ball", bits=128, radius=1e-30, noise_roundoff=2.0**-53)
    records: list[Record] = [*runs.bad(), runs.failed(truth=truth, case="|[red]\x1b[31m\u202e\n é")]
    assert list(read(saved(tmp_path, b"".join(map(encode, records))))) == records


class Unflushed(io.BytesIO):
    """A stream of which only what was flushed survives a kill."""

    survived = b""

    def flush(self) -> None:
        self.survived = self.getvalue()


def test_a_cause_is_written_with_what_it_accounts_for_and_read_back(tmp_path: Path) -> None:
    cause = runs.cause(alternatives=("b is used twice",), marks=("x: None",), places={"x": "all of it"})
    assert list(read(saved(tmp_path, HEADER + encode(cause)))) == [runs.header(), cause]
    assert cause.holds(runs.failed())
    assert not cause.holds(runs.failed(tensor="x"))
    assert not cause.holds(runs.failed(against=runs.TARGETS[0]))


def test_a_file_of_the_first_format_is_read_as_before(tmp_path: Path) -> None:
    first = HEADER.replace(b'"format":%d' % FORMAT, b'"format":1')
    header, verdict = read(saved(tmp_path, first + VERDICT))
    assert isinstance(header, Header) and header.format == 1
    assert verdict == runs.failed()


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_file_is_read_whatever_its_name(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    whole = b"".join(map(encode, runs.bad()))
    assert list(read(saved(tmp_path, compress(whole)))) == runs.bad()


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_file_that_is_cut_short_says_so(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    cut = saved(tmp_path, compress(b"".join(map(encode, runs.bad())))[:-20])
    with pytest.raises(RecordError, match=r"run\.jsonl is compressed, and damaged or cut short"):
        list(read(cut))


def test_two_runs_in_one_file_are_refused(tmp_path: Path) -> None:
    whole = b"".join(map(encode, runs.good()))
    with pytest.raises(RecordError, match=r"is a second header: two runs in one file"):
        list(read(saved(tmp_path, whole + whole)))


def test_what_has_its_default_is_left_out_of_a_verdict_and_never_the_format() -> None:
    assert b"still_right" not in encode(runs.verdict()) and b"along" not in encode(runs.verdict())
    assert b'"format":%d' % FORMAT in HEADER


def test_each_record_is_one_line_and_flushed() -> None:
    stream = Unflushed()
    for record in runs.bad():
        write(stream, record)
        assert stream.survived.endswith(b"\n")
    assert stream.survived.count(b"\n") == len(runs.bad())


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    for cut in (1, 5, len(VERDICT) - 1):
        assert list(read(saved(tmp_path, HEADER + VERDICT + VERDICT[:-cut]))) == [runs.header(), runs.failed()]


@pytest.mark.parametrize("figure", [math.inf, -math.inf, math.nan])
def test_a_figure_that_is_not_finite_is_read_back_as_none(tmp_path: Path, figure: float) -> None:
    worst = msgspec.structs.replace(runs.WORST, sigma=figure, z=figure, got=str(figure), kind="not finite")
    truth = Truth(rung="ball", bits=128, radius=figure, noise_roundoff=2.0**-24)
    written = runs.failed(worst=worst, truth=truth, rms=figure, max=figure)
    _, got = read(saved(tmp_path, HEADER + encode(written)))
    none: Element = msgspec.structs.replace(worst, sigma=None, z=None)
    expected = runs.failed(worst=none, truth=msgspec.structs.replace(truth, radius=None), rms=None, max=None)
    assert got == expected


def test_unknown_fields_are_passed_over_for_the_sake_of_later_versions(tmp_path: Path) -> None:
    later = HEADER.replace(b'"format":', b'"mood":"calm","format":')
    assert list(read(saved(tmp_path, later))) == [runs.header()]


def test_the_defaults_of_an_older_header_are_filled_in(tmp_path: Path) -> None:
    header = encode(runs.header(questions={"lstm/questions/a": "Is it right?"}))
    (older,) = read(saved(tmp_path, re.sub(rb',"(planned|questions)":{[^}]*}', b"", header)))
    assert older == runs.header(planned={}, questions={})


def test_a_run_writes_what_a_user_would_ask_of_its_cases_where_there_are_words() -> None:
    header = verify(
        objects=[Simulated(spec, features=FEATURES)],
        suites=["smoke", "questions"],
        cases=["no-bias", "single-step"],  # the first is described by its name alone
        properties=["contract"],
        cache=False,
    )[0]
    assert isinstance(header, Header)
    (asked,) = [template.question for template in spec.suites()["questions"] if template.name == "single-step"]
    assert asked and header.questions == {"lstm/questions/single-step": asked}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"run\.jsonl is not a run: it is empty; a run is made by `gradassay verify --out run\.jsonl`"),
        (HEADER[:-9], r"is not a run: its only line is torn; a run is made by"),
        (b"hello\n", r"run\.jsonl, line 1 is not a record of a run: JSON is malformed"),
        (b"\x00\xff\xfe\n", r"line 1 is not a record of a run"),
        (b"[]\n", r"line 1 is not a record of a run: Expected `object`, got `array`"),
        (b"{}\n", r"line 1 is not a record of a run: Object missing required field `record`"),
        (HEADER + b"\n" + VERDICT, r"line 2 is not a record of a run: Input data was truncated"),
        (HEADER + VERDICT[:40] + b"\n" + VERDICT, r"line 2 is not a record of a run"),
        (HEADER + VERDICT.replace(b'"failed"', b'"fine"'), r"line 2 .*Invalid enum value 'fine' - at `\$\.outcome`"),
        (HEADER + VERDICT.replace(b'"elements":400', b'"elements":"many"'), r"line 2 .*Expected `int`, got `str` - at"),
        (HEADER + b'{"record":"verdict","target":"\xff"}\n', r"line 2 is not a record of a run: 'utf-8' codec"),
        (
            HEADER + b'{"record":"verdict","new":' + b"[" * 200_000 + b"\n",
            r"line 2 is not a record of a run: maximum rec",
        ),
        (VERDICT + HEADER, r"line 1 should be the header of a run, but is a verdict"),
        (encode(runs.footer()), r"line 1 should be the header of a run, but is a footer"),
    ],
)
def test_garbage_names_the_file_the_line_and_what_was_expected(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        list(read(saved(tmp_path, content)))


@pytest.mark.parametrize(
    "later",
    [
        HEADER.replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1)),
        b'{"record":"header","format":%d,"started":5}\n' % (FORMAT + 1),  # its fields may be others
    ],
)
def test_a_later_format_says_what_to_do(tmp_path: Path, later: bytes) -> None:
    message = rf"has format {FORMAT + 1}; this version of gradassay reads up to {FORMAT}: upgrade it"
    with pytest.raises(RecordError, match=message):
        list(read(saved(tmp_path, later)))


def test_a_path_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"cannot read .*absent\.jsonl: No such file or directory"):
        list(read(tmp_path / "absent.jsonl"))
    with pytest.raises(RecordError, match=r"cannot read .*: Is a directory"):
        list(read(tmp_path))


def test_counts_are_sorted_by_outcome() -> None:
    assert list(counts({"skipped": 2, "failed": 1})) == ["failed", "skipped"]

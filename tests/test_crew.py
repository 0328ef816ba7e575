"""`verify(workers=)`: several processes take the questions of one run, and what they write is one run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from functions import NUMPY

from gradassay import _crew
from gradassay._cache import Cache
from gradassay._claims import Claims
from gradassay._errors import UsageError
from gradassay._process import kill
from gradassay._record import Cause, Drawn, Footer, Header, Record, Verdict, read
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay.cli import main
from gradassay.views._summary import Summary
from gradassay_lstm import spec

ASKED: dict[str, Any] = {"specs": ["lstm"], "suites": ["smoke"], "cases": ["one", "plain", "no-bias"]}
SMOKE: dict[str, Any] = {**ASKED, "cases": ["one", "plain", "no-bias", "ragged"]}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


def judged(records: list[Record]) -> list[Verdict]:
    """Verdicts without what differs from run to run: how long they took."""
    return [msgspec.structs.replace(record, seconds=0.0) for record in records if isinstance(record, Verdict)]


def of(records: list[Record], kind: type[Record]) -> Any:
    (found,) = (record for record in records if isinstance(record, kind))
    return found


# --- one run


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the location of an LSTM in a file, which is another backend than `numpy`, and has a ladder."""
    file = tmp_path_factory.mktemp("function") / "fast.py"
    file.write_text(NUMPY)
    return f"{file}:lstm"


def test_what_several_processes_write_is_what_one_would(cache: Cache, function: str) -> None:
    targets = ["numpy/float64", "numpy/float32", f"{function}/float64"]
    came: list[Record] = []
    one = verify(targets, cache=cache, jobs=1, ladder=True, **SMOKE)
    several = verify(targets, cache=cache, workers=3, ladder=True, on_record=came.append, **SMOKE)
    assert {v.property for v in judged(one)} >= {"agreement", "ladder", "gradients", "hvp"}
    key: Callable[[Verdict], Any] = repr
    assert sorted(judged(several), key=key) == sorted(judged(one), key=key)
    whole, joined = of(one, Header), of(several, Header)
    assert msgspec.structs.replace(joined, started=whole.started) == whole
    assert of(several, Footer).counts == of(one, Footer).counts and of(several, Footer).complete
    assert Summary.of(several).well == Summary.of(one).well
    order = [(v.target, v.suite, v.case) for v in judged(several) if v.property not in ("agreement", "ladder")]
    assert order == [(v.target, v.suite, v.case) for v in judged(one) if v.property not in ("agreement", "ladder")]
    # What was passed on as it came is the same run, in another order.
    assert isinstance(came[0], Header) and came[0] == msgspec.structs.replace(joined, started=came[0].started)
    assert isinstance(came[-1], Footer) and sum(isinstance(record, Footer) for record in came) == 1
    assert sorted(judged(came), key=key) == sorted(judged(one), key=key)
    assert len([r for r in came if isinstance(r, Drawn)]) == len({r for r in one if isinstance(r, Drawn)})


def test_each_process_has_its_share(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[int] = []
    before = _crew._Desk.joined

    def joined(self: Any, *arguments: Any) -> Any:
        shares.extend(sum(isinstance(record, Verdict) for record in member.records) for member in self._members)
        return before(self, *arguments)

    monkeypatch.setattr(_crew._Desk, "joined", joined)
    records = verify(["numpy"], cache=cache, workers=2, **SMOKE)
    assert len(shares) == 2 and min(shares) > 0 and sum(shares) == len(judged(records))


def test_records_of_one_question_come_together(cache: Cache) -> None:
    came: list[Record] = []
    verify(["numpy"], cache=cache, workers=2, on_record=came.append, **SMOKE)
    asked = [(v.target, v.case, v.property, v.against) for v in came if isinstance(v, Verdict)]
    changes = [a for a, b in zip(asked, [None, *asked], strict=False) if a != b]
    assert len(changes) == len(set(asked))


def test_a_run_with_a_failure_is_explained_as_one(cache: Cache, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(NUMPY.replace("i, f, g, o = np.split", "f, i, g, o = np.split"))
    options: dict[str, Any] = {"cache": cache, "ladder": False, **ASKED}
    one = verify([f"{wrong}:lstm/float64"], **options)
    several = verify([f"{wrong}:lstm/float64"], workers=2, **options)
    assert [v.outcome for v in judged(several)] == [v.outcome for v in judged(one)]
    causes = [[c for c in run if isinstance(c, Cause)] for run in (one, several)]
    assert {c.sentence for c in causes[0]} == {c.sentence for c in causes[1]}
    failed = [v for v in judged(several) if v.outcome == "failed"]
    assert failed and all(any(cause.holds(v) for cause in causes[1]) for v in failed)


def test_waivers_are_judged_by_the_whole_run(cache: Cache, tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(
        '[[waiver]]\nissue = "https://example.org/1"\nreason = "known"\nexpires = 2999-01-01\ntarget = "numpy"\n'
        'property = "values"\ntensor = "y"\nnoise_units = [20, 40]\n'
    )
    footer = of(verify(["numpy"], cache=cache, workers=2, waivers=file, **ASKED), Footer)
    assert footer.wrong == of(verify(["numpy"], cache=cache, waivers=file, **ASKED), Footer).wrong
    assert len(footer.wrong) == 1 and "waiver 1 (https://example.org/1): its failure is gone" in footer.wrong[0]


def test_a_shard_may_have_several_processes(cache: Cache) -> None:
    shards = [verify(["numpy"], cache=cache, shard="2/3", workers=workers, **SMOKE) for workers in (1, 2)]
    key: Callable[[Verdict], Any] = repr
    assert sorted(judged(shards[0]), key=key) == sorted(judged(shards[1]), key=key)
    assert of(shards[1], Header).shard == "2/3" and of(shards[1], Footer).wrong == ()


# --- claims


def test_a_piece_has_one_owner(tmp_path: Path) -> None:
    class Of:
        def __init__(self, **named: Any) -> None:
            vars(self).update(named)

    def question(case: str) -> Any:
        return Of(spec=spec, suite="smoke", template=Of(name=case))

    plan: Any = Of(properties=("values", "agreement"))
    jobs: list[Any] = [Of(target=Of(dtype=dtype)) for dtype in ("float64", "float64", "float32")]
    first, second = Claims(tmp_path, 1, 2), Claims(tmp_path, 2, 2)
    assert first.take(plan, jobs[0], question("a"))
    assert not second.take(plan, jobs[0], question("a")) and second.take(plan, jobs[0], question("b"))
    # Where answers are compared, those of other targets to the same case in the same dtype belong to it.
    assert first.take(plan, jobs[1], question("a")) and not second.take(plan, jobs[1], question("a"))
    assert second.take(plan, jobs[2], question("a"))


def test_a_question_that_two_take_is_noticed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What claims are for: without them both processes answer everything, and that is no run."""
    share = _crew._started

    def started(told: Any) -> Any:  # each in a folder of its own: nobody sees the other's claims
        folder = Path(told.folder, str(told.number))
        folder.mkdir()
        return share(msgspec.structs.replace(told, folder=str(folder)))

    monkeypatch.setattr(_crew, "_started", started)
    with pytest.raises(UsageError, match="process 1 of 2 and process 2 of 2 have both asked adjoint of smoke/one"):
        verify(["numpy/float64"], cache=cache, workers=2, **ASKED)


# --- what goes wrong


def ends(number: int, how: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    before = _crew._started

    def started(share: Any) -> Any:
        member = before(share)
        if member.number == number:
            how(member)
        return member

    monkeypatch.setattr(_crew, "_started", started)


def test_a_process_that_dies_makes_the_run_incomplete_and_is_named(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(2, lambda member: kill(member.process), monkeypatch)
    records = verify(["numpy"], cache=cache, workers=2, **ASKED)
    footer = of(records, Footer)
    assert not footer.complete and footer.wrong == ("process 2 of 2 was killed by SIGKILL",)
    assert not Summary.of(records).well
    # It had taken nothing: the other answered everything.
    assert len(judged(records)) == len(judged(verify(["numpy"], cache=cache, **ASKED)))


def test_last_words_are_told(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def started(share: Any) -> Any:
        return before(msgspec.structs.replace(share, folder=str(tmp_path / "gone")) if share.number == 1 else share)

    before = _crew._started
    monkeypatch.setattr(_crew, "_started", started)
    wrong = of(verify(["numpy"], cache=cache, workers=2, **ASKED), Footer).wrong
    assert len(wrong) == 1
    assert re.match(r"process 1 of 2 ended with exit status 1: FileNotFoundError: .*gone", wrong[0])


def test_where_nobody_begins_that_is_an_error(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        ends(number, lambda member: kill(member.process), monkeypatch)
    with pytest.raises(_crew.CrewError, match="no process of this run began\nprocess 1 of 2 was killed by SIGKILL"):
        verify(["numpy"], cache=cache, workers=2, **ASKED)


def test_when_nobody_takes_the_records_all_processes_are_ended(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    members: list[Any] = []
    for number in (1, 2):
        ends(number, members.append, monkeypatch)

    def take(record: Record) -> None:
        if isinstance(record, Verdict):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(["numpy"], cache=cache, workers=2, on_record=take, **SMOKE)
    assert [member.process.poll() is not None for member in members] == [True, True]


def test_ctrl_c_keeps_what_was_computed(cache: Cache, tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    asked = ["verify", "numpy", "--spec", "lstm", "--workers", "2", "--out", str(out)]
    environment = os.environ | {"GRADASSAY_CACHE": str(cache.directory)}
    process = subprocess.Popen([sys.executable, "-m", "gradassay.cli", *asked], stderr=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not out.exists() or out.read_bytes().count(b"\n") < 20):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and f"what was computed is kept: gradassay show {out}" in said.decode()
    kept = list(read(out))
    assert isinstance(kept[0], Header) and not kept[0].shard and len(judged(kept)) > 10
    assert not any(isinstance(record, Footer) for record in kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_process": True}, "workers=2 are processes of their own: leave in_process out, or workers"),
        ({"objects": [Simulated(spec)]}, "workers=2 are processes of their own: leave objects out, or workers"),
        ({"workers": 99}, "99 workers: what is asked for has 3 pieces; use at most 3"),
        ({"suites": ["no such"]}, "there is no suite `no such`"),
    ],
)
def test_what_cannot_be_is_refused_before_a_process_starts(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(_crew, "_started")
    asked: dict[str, Any] = {"targets": ["numpy/float64"], "workers": 2, **ASKED}
    with pytest.raises(UsageError, match=message):
        verify(**(asked | options))


# --- the command


def test_the_command_writes_the_run_in_the_order_of_the_plan(cache: Cache, tmp_path: Path) -> None:
    environment = {"GRADASSAY_CACHE": str(cache.directory)}
    asked = ["verify", "numpy", "--spec", "lstm", "--suite", "smoke", "--case", "plain", "--case", "one"]
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for workers, file in zip("12", files, strict=True):
        done = CliRunner().invoke(main, [*asked, "--workers", workers, "--out", str(file)], env=environment)
        assert done.exit_code == 0, done.output
    one, two = (list(read(file)) for file in files)
    assert judged(one) == judged(two)
    same = CliRunner().invoke(main, ["diff", *map(str, files)])
    assert same.exit_code == 0 and "No regression" in same.output

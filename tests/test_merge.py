"""Shards put together are the run; what does not belong together is refused, and what is missing is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import runs
from click.testing import CliRunner, Result

from gradassay._backend import FORWARD_ONLY
from gradassay._errors import UsageError
from gradassay._record import FORMAT, Cause, Drawn, Footer, Header, Map, Record, Seconds, Verdict, encode, read
from gradassay._waivers import Waivers
from gradassay.cli import main
from gradassay.runs._merge import merge
from gradassay.runs._part import Part
from gradassay.views._summary import Summary

ONE = Seconds(framework=1.0, truth=2.0, noise=3.0, harness=4.0)


def shard(k: int, n: int, *records: Record, footer: Footer | None = None, **changes: Any) -> Part:
    """One shard with the records that are given; it is `k/n.jsonl`."""
    header = runs.header(**({"shard": f"{k}/{n}", "planned": dict.fromkeys(runs.TARGETS, 2)} | changes))
    end = footer or runs.footer(elapsed=10.0, seconds=ONE)
    return Part(f"{k}of{n}.jsonl", header, (*records, end))


def run(name: str, targets: Sequence[str], *records: Record, **changes: Any) -> Part:
    return Part(name, runs.header(targets, **changes), (*records, runs.footer(elapsed=10.0, seconds=ONE)))


def asked(case: str, target: str = runs.TARGETS[1], **changes: Any) -> Verdict:
    return runs.verdict(case=case, target=target, **changes)


def summary(*parts: Part, waivers: Waivers | None = None) -> Summary:
    return Summary.of(merge(parts, waivers))


# --- one run of several shards


def test_shards_are_one_run() -> None:
    a, b, c = runs.TARGETS
    gradients = [asked("one", target) for target in (a, b, c)]
    parts = [shard(2, 2, asked("two", b), asked("two", a), *gradients[2:]), shard(1, 2, *gradients[:2])]
    records = merge(parts)
    found = Summary.of(records)
    assert isinstance(records[0], Header) and isinstance(records[-1], Footer)
    assert found.header is not None and found.footer is not None
    assert (found.header.shard, found.header.format) == ("", FORMAT)
    assert found.header.targets == runs.TARGETS
    assert found.header.planned == dict.fromkeys(runs.TARGETS, 4)
    assert [(v.target, v.case) for v in found.verdicts] == [(a, "one"), (a, "two"), (b, "one"), (b, "two"), (c, "one")]
    assert (found.footer.complete, found.footer.elapsed, found.footer.counts) == (True, 20.0, {"passed": 5})
    assert found.footer.seconds == Seconds(framework=2.0, truth=4.0, noise=6.0, harness=8.0)
    assert found.well


def test_the_order_in_which_files_are_named_does_not_matter() -> None:
    parts = [shard(1, 2, asked("one")), shard(2, 2, asked("two"))]
    assert merge(parts) == merge(parts[::-1])


def test_what_was_drawn_stands_once_and_maps_and_questions_all() -> None:
    drawn = Drawn(spec="lstm", suite="wide", case="one", dtype="float32", digest="ab")
    grid = ((1.0,),)
    maps = [
        Map(target=t, spec="lstm", suite="s", case="c", of="y", wrt="x", truth=grid, got=grid, apart=grid)
        for t in runs.TARGETS[:2]
    ]
    first = shard(1, 2, drawn, asked("one"), maps[0], questions={"lstm/questions/a": "A?"})
    second = shard(2, 2, drawn, asked("two"), maps[1], questions={"lstm/questions/b": "B?"})
    found = summary(first, second)
    assert found.drawn == (drawn,)
    assert found.maps == tuple(maps)
    assert found.header is not None and list(found.header.questions.values()) == ["A?", "B?"]


def test_what_is_said_of_a_target_as_a_whole_stands_once() -> None:
    absent = runs.skipped(suite="", case="", property="", reason="device cuda is not here")
    rung = asked("states", suite="rungs", property="ladder", tensor="y")
    found = summary(shard(1, 2, absent, rung, asked("one")), shard(2, 2, absent, rung, asked("two")))
    assert [v.property for v in found.verdicts] == ["", "ladder", "gradients", "gradients"]


def test_of_a_target_as_a_whole_what_fails_in_one_shard_is_kept() -> None:
    rung = asked("states", suite="rungs", property="ladder", tensor="y")
    fallen = msgspec.structs.replace(rung, outcome="failed")
    for pair in ((rung, fallen), (fallen, rung)):
        found = summary(*(shard(k, 2, one, asked(str(k))) for k, one in enumerate(pair, start=1)))
        assert [v.outcome for v in found.verdicts if v.property == "ladder"] == ["failed"]


def test_the_same_mistake_in_several_shards_is_one_cause() -> None:
    def caused(case: str, sentence: str, *alternatives: str) -> tuple[Verdict, Cause]:
        accounts = {runs.TARGETS[1]: {f"lstm/wide/{case}": {"gradients": ("weight_hh_l1_reverse",)}}}
        told = runs.cause(case=case, accounts=accounts, sentence=sentence, alternatives=alternatives, seconds=2.0)
        return runs.failed(case=case), told

    parts = [
        shard(1, 3, *caused("one", "A", "B", "C")),
        shard(2, 3, *caused("two", "C", "B")),
        shard(3, 3, *caused("three", "Z")),
    ]
    causes = summary(*parts).causes
    assert [(c.sentence, c.alternatives, c.verdicts, c.seconds) for c in causes] == [
        ("B", ("C",), 2, 4.0),
        ("Z", (), 1, 2.0),
    ]
    assert all(causes[0].holds(runs.failed(case=case)) for case in ("one", "two"))
    assert len(summary(*parts).reports) == 2


def test_causes_that_are_not_known_stay_apart() -> None:
    parts = [shard(k, 2, asked(str(k), outcome="failed"), runs.cause(sentence="", accounts={})) for k in (1, 2)]
    assert len(summary(*parts).causes) == 2


def test_causes_of_two_backends_stay_apart() -> None:
    parts = [shard(k, 2, asked(str(k)), runs.cause(backend=f"b{k}")) for k in (1, 2)]
    assert len(summary(*parts).causes) == 2


# --- what only the whole run tells


def unreached(*verdicts: Verdict, **changes: Any) -> tuple[str, ...]:
    gradient = [asked("one", target) for target in runs.TARGETS if target != runs.TARGETS[1]]
    return summary(shard(1, 2, *gradient, *verdicts[:1], **changes), shard(2, 2, *verdicts[1:], **changes)).wrong


def test_a_target_without_a_verdict_on_gradients_in_any_shard_is_told() -> None:
    skipped = [asked(case, outcome="skipped", reason="no ragged batches") for case in ("one", "two")]
    said = f"{runs.TARGETS[1]} reached no verdict on gradients of lstm"
    assert unreached(*skipped) == (said,)
    assert unreached(skipped[0], asked("two")) == ()
    assert unreached(skipped[0], asked("two", outcome="failed")) == ()
    assert unreached(skipped[0], asked("two", outcome="blind")) == (said,)
    assert unreached(*skipped, properties=("values",)) == ()


def test_a_target_that_is_not_here_or_goes_forward_alone_need_not_reach_one() -> None:
    forward = [asked(case, outcome="skipped", reason=FORWARD_ONLY) for case in ("one", "two")]
    assert unreached(*forward) == ()
    absent = runs.skipped(suite="", case="", property="", reason="device cuda is not here")
    assert unreached(absent, absent) == ()
    dead = [runs.verdict(suite="", case="", property="", tensor="", outcome="errored", reason="signal 9")] * 2
    assert unreached(*dead) == (f"{runs.TARGETS[1]} reached no verdict on gradients of lstm",)


def test_what_shards_say_of_themselves_is_said_once() -> None:
    end = runs.footer(wrong=("backend `x` fails to import",))
    parts = [shard(k, 2, *(asked(str(k), t) for t in runs.TARGETS), footer=end) for k in (1, 2)]
    assert summary(*parts).wrong == ("backend `x` fails to import",)


WAIVER = """
[[waiver]]
issue = "https://a.b/1"
reason = "of one case alone"
expires = 2999-01-01
target = "torch/float32"
property = "gradients"
tensor = "weight_hh_l1_reverse"
noise_units = [40, 400]
"""


def waived(tmp_path: Path, text: str = WAIVER) -> Waivers:
    path = tmp_path / "waivers.toml"
    path.write_text(text)
    return Waivers.of(path)


def test_whether_a_waiver_is_met_is_judged_when_all_is_there(tmp_path: Path) -> None:
    waivers = waived(tmp_path)
    reached = [asked("x", target) for target in runs.TARGETS]
    failed = waivers.mark(runs.failed(case="two"))
    assert failed.waived
    met = summary(shard(1, 2, *reached), shard(2, 2, failed), waivers=waivers)
    assert met.well and met.wrong == ()
    gone = summary(shard(1, 2, *reached), shard(2, 2, asked("two")), waivers=waivers)
    assert len(gone.wrong) == 1 and "its failure is gone: 2 verdicts there, 2 passed; remove it" in gone.wrong[0]


def test_a_waiver_of_what_was_not_asked_is_left_alone(tmp_path: Path) -> None:
    waivers = waived(tmp_path, WAIVER.replace("torch/float32", "jax/float32"))
    parts = [shard(k, 2, *(asked(str(k), target) for target in runs.TARGETS)) for k in (1, 2)]
    assert summary(*parts, waivers=waivers).well


def test_shards_that_had_waivers_need_them_again(tmp_path: Path) -> None:
    plain = shard(1, 2, asked("one"))
    for other in (
        shard(2, 2, runs.failed(case="two", waived="https://a.b/1")),
        shard(2, 2, asked("two"), command="gradassay verify --waivers w.toml --shard 2/2"),
        shard(2, 2, asked("two"), command="gradassay verify --waivers=w.toml --shard 2/2"),
    ):
        with pytest.raises(UsageError) as raised:
            merge([plain, other])
        assert str(raised.value) == (
            "2of2.jsonl was run with waivers, which are judged now: add --waivers FILE, the same file"
        )
    with pytest.raises(UsageError, match="these are whole runs, which have judged their waivers: leave --waivers out"):
        merge([run("a", runs.TARGETS[:1]), run("b", runs.TARGETS[1:])], waived(tmp_path))


# --- what is missing


def test_a_missing_shard_is_named_and_the_run_is_incomplete() -> None:
    found = summary(shard(1, 4, asked("one")), shard(3, 4, asked("two", outcome="skipped")))
    assert found.wrong == ("shard 2/4 is missing", "shard 4/4 is missing")
    assert not found.complete and not found.well


def test_a_shard_that_was_stopped_is_named() -> None:
    stopped = shard(2, 2, asked("two"))
    for records in (stopped.records[:-1], (*stopped.records[:-1], runs.footer(complete=False))):
        part = Part(stopped.name, stopped.header, records)
        found = summary(shard(1, 2, asked("one")), part)
        assert found.wrong == ("shard 2/2 was stopped before its end: 2of2.jsonl; run it again",)
        assert not found.complete


# --- what does not belong together


def refused(*parts: Part) -> str:
    with pytest.raises(UsageError) as raised:
        merge(parts)
    return str(raised.value)


def test_the_same_shard_twice_is_refused() -> None:
    twice = Part("again.jsonl", shard(1, 2).header, shard(1, 2).records)
    assert refused(shard(1, 2), twice) == "1of2.jsonl and again.jsonl are both shard 1/2: leave one of them out"


def test_shards_of_other_numbers_are_refused() -> None:
    assert refused(shard(1, 2), shard(2, 3)) == (
        "1of2.jsonl is shard 1/2, and 2of3.jsonl is 2/3: merge shards of one run, all of the same number"
    )


def test_one_whole_run_is_refused_and_one_shard_is_not() -> None:
    assert refused(run("whole.jsonl", runs.TARGETS)) == (
        "whole.jsonl is a whole run: name all the shards of a run, or several runs of different targets"
    )
    every = [asked("one", target) for target in runs.TARGETS]
    assert summary(shard(1, 1, *every)).well
    assert summary(shard(1, 2, *every)).wrong == ("shard 2/2 is missing",)


def test_a_shard_and_a_whole_run_are_refused() -> None:
    assert refused(shard(1, 2), run("whole.jsonl", runs.TARGETS)) == (
        "1of2.jsonl is shard 1/2, but whole.jsonl is a whole run: merge the shards of one run alone"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"specs": {"lstm": "2"}}, "versions of specs: lstm 1, mse 2 and lstm 2"),
        ({"limits": "2"}, "versions of the limits: 1 and 2"),
        ({"gradassay": "0.2.0"}, "versions of gradassay: none and 0.2.0"),
        ({"suites": ("smoke",)}, "suites: smoke, wide and smoke"),
        ({"properties": ("values",)}, "properties: values, gradients and values"),
        ({"cases": ("one",)}, "cases: none and one"),
        ({"sweep": True}, "whether they are sweeps: False and True"),
        ({"commit": "abc"}, "commits: none and abc"),
        ({"targets": ("a/b/c/d",)}, f"targets: {', '.join(runs.TARGETS)} and a/b/c/d"),
        ({"versions": {"torch": {"torch": "2.14.0"}}}, "torch's torch: 2.13.0 and 2.14.0"),
        ({"versions": {"torch": {"torch": "2.13.0"}}}, "torch's oneDNN: 3.11 and none"),
    ],
)
def test_parts_of_different_runs_are_refused(changes: dict[str, Any], told: str) -> None:
    targets = changes.pop("targets", runs.TARGETS)
    other = Part("2of2.jsonl", runs.header(targets, shard="2/2", **changes), (asked("two"), runs.footer()))
    assert refused(shard(1, 2, asked("one")), other) == (
        f"1of2.jsonl and 2of2.jsonl differ in {'their ' if 'versions' not in changes else ''}{told}; "
        "merge parts of one run"
    )


def test_processors_may_differ_between_machines_and_both_are_said() -> None:
    told = {"torch": {"torch": "2.13.0", "cpu capability": "AVX512"}}
    other = {"torch": {"torch": "2.13.0", "cpu capability": "AVX2"}}
    parts = [
        shard(1, 3, asked("one"), versions=told, machine={"cpu": "a", "python": "3.11.4"}),
        shard(2, 3, asked("two"), versions=other, machine={"cpu": "b", "python": "3.11.4"}),
        shard(3, 3, asked("three"), versions=told, machine={"cpu": "a", "python": "3.11.4"}),
    ]
    header = summary(*parts).header
    assert header is not None
    assert header.versions == {"torch": {"torch": "2.13.0", "cpu capability": "AVX512 and AVX2"}}
    assert header.machine == {"cpu": "a and b", "python": "3.11.4"}


def test_other_data_are_refused() -> None:
    parts = [
        shard(k, 2, Drawn(spec="lstm", suite="wide", case="one", dtype="float32", digest=str(k)), asked(str(k)))
        for k in (1, 2)
    ]
    assert refused(*parts) == (
        "1of2.jsonl and 2of2.jsonl have asked lstm/wide/one in float32 with other data: run one of them again"
    )


def test_a_question_that_two_parts_have_asked_is_refused() -> None:
    assert refused(shard(1, 2, asked("one")), shard(2, 2, asked("one", tensor="h0"))) == (
        "1of2.jsonl and 2of2.jsonl have both asked gradients of wide/one on torch/native/cpu/float32: "
        "they are not parts of one run"
    )


# --- runs of different targets


def test_runs_of_different_targets_are_one_run() -> None:
    a, b = "numpy/native/cpu/float64", "torch/native/cpu/float32"
    first = run("a.jsonl", [a], asked("one", a), versions={"numpy": {"numpy": "2.4"}}, commit="x", command="g a")
    second = run("b.jsonl", [b], asked("one", b), commit="y", command="g b")
    found = summary(first, second)
    assert found.well and found.header is not None
    assert found.header.targets == (a, b)
    assert set(found.header.versions) == {"numpy", "torch"}
    assert (found.header.commit, found.header.command) == ("x and y", "g a; g b")
    assert [v.target for v in found.verdicts] == [a, b]


def test_runs_of_the_same_target_are_refused() -> None:
    parts = run("a.jsonl", runs.TARGETS[:2]), run("b.jsonl", runs.TARGETS[1:])
    assert refused(*parts) == (
        f"a.jsonl and b.jsonl have both verified {runs.TARGETS[1]}: "
        "merge shards of one run, or runs of different targets"
    )


def test_what_is_wrong_with_a_whole_run_stays_wrong() -> None:
    part = Part("a.jsonl", runs.header(runs.TARGETS[:1]), (asked("one", runs.TARGETS[0]), runs.footer(wrong=("why",))))
    assert summary(part, run("b.jsonl", runs.TARGETS[1:], asked("one"))).wrong == ("why",)


# --- the command -----------------------------------------------------------------------------------------------


def written(folder: Path, *parts: Part) -> list[str]:
    for part in parts:
        (folder / part.name).write_bytes(b"".join(map(encode, (part.header, *part.records))))
    return [str(folder / part.name) for part in parts]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"COLUMNS": "80", "TERM": "dumb"})


def good() -> list[Part]:
    return [shard(1, 2, *(asked("one", target) for target in runs.TARGETS)), shard(2, 2, asked("two"))]


def test_the_command_writes_the_run_and_ends_as_verify_does(tmp_path: Path) -> None:
    out, junit, page = (tmp_path / name for name in ("run.jsonl", "junit.xml", "summary.md"))
    files = written(tmp_path, *good())
    result = invoke("merge", *files, "--out", str(out), "--junit", str(junit), "--markdown", str(page))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("All 4 verdicts passed on 3 targets; worst 3.1 of 14.2")
    assert list(read(out)) == merge(good())
    assert junit.read_text().startswith("<?xml")
    assert page.read_text().startswith("## Gradassay\n\n**All 4 verdicts")
    shown = invoke("show", str(out))
    assert shown.stdout == result.stdout


def test_a_bad_run_exits_with_1(tmp_path: Path) -> None:
    files = written(tmp_path, good()[0], shard(2, 2, runs.failed(case="two")))
    result = invoke("merge", *files)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("FAILED: 1 failed of 4 verdicts")


def test_a_missing_shard_exits_with_1_and_is_named_in_the_last_line(tmp_path: Path) -> None:
    parts = [shard(1, 3, *(asked("one", target) for target in runs.TARGETS)), shard(3, 3, asked("three"))]
    result = invoke("merge", *written(tmp_path, *parts))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == (
        "INCOMPLETE: the run stopped after 4 verdicts, none wrong; shard 2/3 is missing"
    )


def test_what_cannot_be_merged_exits_with_2_in_one_line(tmp_path: Path) -> None:
    (one,) = written(tmp_path, good()[0])
    out = tmp_path / "out.jsonl"
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"record": "header"')
    for arguments, message in (
        ((one, one), f"{one} and {one} are both shard 1/2: leave one of them out"),
        ((one, str(tmp_path / "no.jsonl")), f"cannot read {tmp_path / 'no.jsonl'}: No such file or directory"),
        ((one, str(torn)), f"{torn} is not a run: its only line is torn; a run is made by `gradassay verify --out"),
    ):
        result = invoke("merge", *arguments, "--out", str(out))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"gradassay: {message}")
        assert not out.exists()
    result = invoke("merge", one, one, "--out", one)
    assert result.stderr == f"gradassay: {one} is one of the files to merge; write the run to another one\n"
    assert invoke("merge").exit_code == 2


def test_shards_of_a_real_run_are_the_whole_run(tmp_path: Path) -> None:
    asked = ["verify", "numpy", "--spec", "mse", "--suite", "smoke", "--property", "values", "--property", "gradients"]
    whole = tmp_path / "whole.jsonl"
    assert invoke(*asked, "--out", str(whole)).exit_code == 0
    files = [str(tmp_path / f"{k}.jsonl") for k in (1, 2)]
    for k, file in enumerate(files, start=1):
        assert invoke(*asked, "--shard", f"{k}/2", "--out", file).exit_code == 0
    out = tmp_path / "merged.jsonl"
    result = invoke("merge", *files, "--out", str(out))
    assert result.exit_code == 0, result.output

    def told(path: Path) -> tuple[set[Any], Header]:
        header, *records = read(path)
        assert isinstance(header, Header)
        found = {msgspec.structs.replace(v, seconds=0.0).__repr__() for v in records if isinstance(v, Verdict)}
        return found, header

    (merged, header), (once, first) = told(out), told(whole)
    assert merged == once
    for name in ("targets", "suites", "properties", "specs", "limits", "versions", "planned", "shard", "machine"):
        assert getattr(header, name) == getattr(first, name), name

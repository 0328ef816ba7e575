"""The JUnit file: every question is one test, a test is red for what a run is red for, and the schema holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec
import pytest
import runs
from click.testing import CliRunner

from gradassay._record import Record, encode
from gradassay.cli import main
from gradassay.views._summary import Summary
from gradassay.views.junit import FULL, junit

# The schema that Jenkins publishes, of which other services read a part: element -> attributes, and children in order.
SCHEMA: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, ["testsuite"]),
    "testsuite": (
        {
            "name",
            "tests",
            "failures",
            "errors",
            "time",
            "disabled",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        },
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": (
        {"name", "classname", "time", "status", "assertions"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "skipped": ({"message", "type"}, []),
    "error": ({"message", "type"}, []),
    "failure": ({"message", "type"}, []),
    "system-out": (set(), []),
    "system-err": (set(), []),
}
REQUIRED = {"testsuite": {"name", "tests"}, "testcase": {"name", "classname"}, "property": {"name", "value"}}
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check(element: Element) -> None:
    attributes, children = SCHEMA[element.tag]
    assert set(element.attrib) <= attributes, element.tag
    assert REQUIRED.get(element.tag, set()) <= set(element.attrib), element.tag
    tags = [child.tag for child in element]
    assert set(tags) <= set(children), element.tag
    assert tags == sorted(tags, key=children.index), f"{tags} in {element.tag}"
    for child in element:
        check(child)


def parsed(records: Iterable[Record]) -> Element:
    """Return the document, once it has been held to the schema and its counts to its tests."""
    text = junit(records)
    assert not FORBIDDEN.search(text)
    root = ElementTree.fromstring(text.encode("utf-8"))
    check(root)
    assert root.tag == "testsuites"
    for suite in root:
        tests = suite.findall("testcase")
        tags = Counter(child.tag for test in tests for child in test)
        assert int(suite.attrib["tests"]) == len(tests) > 0
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[name]) == tags[tag] == sum(test.find(tag) is not None for test in tests)
        assert all(len(test) - len(test.findall("system-out")) <= 1 for test in tests)
        if "timestamp" in suite.attrib:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root


def named(root: Element) -> dict[str, Element]:
    """The tests by their names: no name is given twice."""
    found = {f"{test.get('classname')} {test.get('name')}": test for test in root.iter("testcase")}
    assert len(found) == len(list(root.iter("testcase")))
    return found


def test_every_target_is_a_suite_and_every_property_of_a_case_a_test() -> None:
    root = parsed(runs.good())
    assert [suite.get("name") for suite in root] == [*runs.TARGETS, "gradassay"]
    assert list(named(root)) == [
        "numpy/native/cpu/float64 lstm/wide/ragged-values",
        "numpy/native/cpu/float64 lstm/wide/ragged-gradients",
        "torch/native/cpu/float32 lstm/wide/ragged-values",
        "torch/native/cpu/float32 lstm/wide/ragged-gradients",
        "torch/native/cpu/float32 lstm/wide/ragged-hvp",
        "torch/native/cpu/bfloat16 lstm/wide/ragged-values",
        "torch/native/cpu/bfloat16 lstm/wide/ragged-gradients",
        "gradassay the run as a whole",
    ]
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "time")} == {
        "tests": "8",
        "failures": "0",
        "errors": "0",
        "time": "83.200",
    }
    versions = {p.get("name"): p.get("value") for p in root[1].iter("property")}
    assert versions["torch"] == "2.13.0" and "noise units" in str(versions["figures"])


def test_the_tensors_of_a_question_are_in_its_test_with_their_figures_and_seconds() -> None:
    verdicts = [runs.verdict(seconds=1.25), runs.verdict(tensor="h0", rms=0.5, max=2.0, seconds=0.5)]
    test = named(parsed([runs.header(), *verdicts, runs.footer()]))[
        "torch/native/cpu/float32 lstm/wide/ragged-gradients"
    ]
    assert test.findtext("system-out") == "x 0.9, 3.1 of 14.2; h0 0.5, 2.0 of 14.2"
    assert test.get("time") == "1.750"


def test_a_failing_test_says_what_the_terminal_says() -> None:
    records = [*runs.bad()[:-1], runs.failed(tensor="c0", max=20.0), runs.footer()]
    test = named(parsed(records))["torch/native/cpu/float32 lstm/wide/ragged-gradients"]
    failure = test.find("failure")
    assert failure is not None and failure.text is not None
    assert (failure.get("type"), failure.get("message")) == (
        "failed",
        "torch/native/cpu/float32: gradients of weight_hh_l1_reverse failed in wide/ragged (lstm)",
    )
    for line in (
        "got         0.12345",
        "should be   0.12341 ± 1.2e-08 (one noise unit)",
        "where       layer 1, direction reverse, gate f, unit 3, feature 0 (at [23, 0])",
        "how far     57.3 noise units at most (limit 14.2), RMS 12.1 (limit 4.0), 400 elements",
        "also wrong  c0 (20.0)",
        "still right x, h0",
        "reason      RMS 12.1 is above 4",
        f"replay      {runs.failed().replay}",
    ):
        assert line in failure.text.splitlines()
    assert "weight_hh_l1_reverse 12.1, 57.3 of 14.2 (failed); c0 12.1, 20.0 of 14.2 (failed)" in str(
        test.findtext("system-out")
    )


def test_a_test_whose_cause_is_known_names_it() -> None:
    other = runs.failed(case="wide/other")
    accounts = {
        runs.TARGETS[1]: {f"lstm/wide/{case}": {"gradients": (other.tensor,)} for case in ("wide/ragged", "wide/other")}
    }
    root = parsed([*runs.bad()[:-1], other, runs.cause(accounts=accounts), runs.footer()])
    failures = [test.find("failure") for test in named(root).values() if test.find("failure") is not None]
    assert len(failures) == 2
    sentence = "torch: the gate order is i, f, o, g; should be i, f, g, o"
    for failure in failures:
        assert failure is not None and failure.get("message") == sentence
    first, second = (str(failure.text) for failure in failures if failure is not None)
    assert "left over   1.1 noise units RMS (3.2 at most), of 3.3e+07" in first
    assert f"cause       {sentence}" in second and "left over" not in second


@pytest.mark.parametrize(
    ("changes", "tag", "message"),
    [
        ({"outcome": "errored", "reason": "crash: signal 11"}, "error", "gradients of x errored"),
        ({"outcome": "failed"}, "failure", "gradients of x failed"),
        ({"outcome": "failed", "waived": "https://a.b/1"}, "skipped", "known: https://a.b/1"),
        (
            {"outcome": "blind", "reason": "noise as large as the value"},
            "skipped",
            "blind: noise as large as the value",
        ),
        ({"outcome": "skipped", "reason": "no forward mode"}, "skipped", "no forward mode"),
        ({"outcome": "skipped"}, "skipped", "no reason given"),
    ],
)
def test_each_outcome_has_its_element(changes: dict[str, str], tag: str, message: str) -> None:
    root = parsed([runs.header(), runs.verdict(property="values"), runs.verdict(**changes), runs.footer()])
    test = named(root)["torch/native/cpu/float32 lstm/wide/ragged-gradients"]
    found = test.find(tag)
    assert found is not None and message in str(found.get("message"))


def test_one_question_is_told_by_its_worst_verdict_and_by_a_pass_before_what_was_not_seen() -> None:
    errored = runs.verdict(outcome="errored", tensor="", reason="crash", max=None, rms=None)
    name = "torch/native/cpu/float32 lstm/wide/ragged-gradients"
    both = named(parsed([runs.header(), runs.failed(), errored, runs.footer()]))[name]
    assert [child.tag for child in both] == ["error", "system-out"]
    partly = [runs.verdict(), runs.verdict(tensor="h0", outcome="blind", reason="noise"), runs.footer()]
    told = named(parsed([runs.header(), *partly]))[name]
    assert [child.tag for child in told] == ["system-out"]
    assert "h0 0.9, 3.1 of 14.2 (blind)" in str(told.findtext("system-out"))


def test_what_does_not_apply_is_no_test() -> None:
    verdict = runs.verdict(outcome="not applicable", property="random", reason="does not promise random")
    assert "random" not in " ".join(named(parsed([*runs.good()[:-1], verdict, runs.footer()])))


def test_agreement_names_the_other_target() -> None:
    verdict = runs.verdict(property="agreement", against=runs.TARGETS[0], tensor="")
    root = parsed([*runs.good()[:-1], verdict, runs.footer()])
    assert f"{runs.TARGETS[1]} lstm/wide/ragged-agreement with {runs.TARGETS[0]}" in named(root)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (
            [*runs.good()[:-1], runs.footer(wrong=("torch reached no verdict", "a plugin"))],
            "torch reached no verdict\na plugin",
        ),
        (runs.good()[:-1], "the run stopped after 7 verdicts"),
        ([*runs.good()[:-1], runs.footer(complete=False)], "the run stopped after 7 verdicts"),
        ([runs.header(), runs.skipped(), runs.footer()], "nothing was verified: no verdict passed or failed"),
        ([], "the run stopped after 0 verdicts"),
    ],
)
def test_what_is_wrong_with_the_run_as_a_whole_is_a_failing_test(records: list[Record], said: str) -> None:
    test = named(parsed(records))["gradassay the run as a whole"]
    assert test.findtext("failure") == said


@pytest.mark.parametrize(
    "records",
    [
        runs.good(),
        runs.bad(),
        runs.bad()[:-1],
        [*runs.good()[:-1], runs.failed(waived="https://a.b/1"), runs.footer()],
        [*runs.good()[:-1], runs.footer(wrong=("a plugin",))],
        [runs.header(), runs.skipped(), runs.footer()],
    ],
)
def test_the_file_is_red_exactly_when_the_run_is(records: list[Record]) -> None:
    root = parsed(records)
    red = int(root.attrib["failures"]) + int(root.attrib["errors"]) > 0
    assert red == (not Summary.of(records).well)


HOSTILE = "<b>&\"' ]]> \x00\x08\x1b[31m\ufffe\uffff\ud800\u202e\x85\u2028 é中\n\tx"


def test_text_that_xml_forbids_is_shown_as_escapes() -> None:
    worst = msgspec.structs.replace(runs.WORST, where={HOSTILE: HOSTILE}, got=HOSTILE, want=HOSTILE)
    told = {"case": HOSTILE, "tensor": HOSTILE, "reason": HOSTILE, "replay": HOSTILE, "ran": {HOSTILE: HOSTILE}}
    records = [
        runs.header((HOSTILE,), versions={HOSTILE: {HOSTILE: HOSTILE}}, started=HOSTILE),
        runs.failed(target=HOSTILE, property=HOSTILE, worst=worst, still_right=(HOSTILE,), **told),
        runs.failed(waived=HOSTILE),
        runs.skipped(reason=HOSTILE, against=HOSTILE),
        runs.cause(backend=HOSTILE, sentence=HOSTILE, marks=(HOSTILE,)),
        runs.footer(wrong=(HOSTILE,)),
    ]
    text = junit(records)
    assert not FORBIDDEN.search(text)
    root = ElementTree.fromstring(text.encode("utf-8"))
    check(root)
    assert any(
        "\\x00\\x08\\x1b[31m\\ufffe\\uffff\\ud800\\u202e" in str(test.get("name")) for test in root.iter("testcase")
    )
    assert "é中" in text


def test_the_file_of_a_large_run_is_small() -> None:
    """90,000 verdicts: 10 tensors of 100 questions on 90 targets. A tenth of that here."""
    targets = [f"torch/mode{number}/cpu/float32" for number in range(9)]
    verdicts = [
        runs.verdict(target=target, case=f"case-{case}", tensor=f"weight_ih_l{tensor}_reverse", seconds=0.1)
        for target in targets
        for case in range(100)
        for tensor in range(10)
    ]
    assert len(junit([runs.header(targets), *verdicts, runs.footer()])) < 1_000_000


def test_thousands_of_failures_are_told_in_short() -> None:
    verdicts = [runs.failed(case=f"wide/{number}", reason="long " * 100) for number in range(FULL + 4000)]
    text = junit([runs.header(), *verdicts, runs.footer()])
    assert len(text) < 5_000_000
    failures = [str(element.text) for element in ElementTree.fromstring(text.encode()).iter("failure")]
    assert len(failures) == FULL + 4000
    assert "should be" in failures[FULL - 1] and "should be" not in failures[FULL]
    assert all("replay      gradassay verify" in text for text in failures)


# --- the commands ----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(map(encode, runs.bad())))
    return path


def test_show_prints_it(saved: Path) -> None:
    result = CliRunner().invoke(main, ["show", str(saved), "--junit"])
    assert result.exit_code == 0
    assert result.stdout == junit(runs.bad())
    assert result.stdout.startswith("<?xml version='1.0' encoding='utf-8'?>\n<testsuites ")


@pytest.mark.parametrize("other", ["--markdown", "--failed"])
def test_show_prints_one_thing(other: str, saved: Path) -> None:
    result = CliRunner().invoke(main, ["show", str(saved), "--junit", other])
    assert result.exit_code == 2
    assert result.stderr == f"gradassay: --junit and {other} do not go together: one of them says what to print\n"


def test_verify_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    arguments = "verify numpy/float32 --spec mse --suite smoke --case plain --property gradients --no-cache"
    assert CliRunner().invoke(main, [*arguments.split(), "--junit", str(path)]).exit_code == 0
    root = ElementTree.parse(path).getroot()
    check(root)
    assert "numpy/eager/cpu/float32 mse/smoke/plain-gradients" in named(root)


def test_verify_refuses_a_path_that_cannot_be_written_before_it_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verify", "numpy", "--junit", str(tmp_path / "absent" / "x.xml")])
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'absent'}; make it first" in result.stderr

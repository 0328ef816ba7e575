"""The pytest plugin: free when unused, and the same verdicts wherever its tests run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pytest_runs import SIMULATED, TARGET, conformance_in, outcomes, pytest_in

from gradassay import UsageError
from gradassay._bench import lay_out
from gradassay._record import Drawn, Footer, Header, Verdict, read
from gradassay.cli import main

HEAVY = (
    "numpy",
    "hypothesis",
    "torch",
    "tensorflow",
    "keras",
    "jax",
    "msgspec",
    "flint",
    "rich",
    "safetensors",
    "click",
)
NAME = "gradassay.conformance::test_conformance"
PLAIN = f"{NAME}[{TARGET}-lstm/smoke/plain"
FEW = ("-k", "lstm/smoke/plain and (values or contract or jvp)")


# --- free when unused


def imported_after(folder: Path, source: str, *options: str) -> set[str]:
    """Run pytest on a test file; return the heavy modules that are there at its end."""
    said = "import sys\ndef pytest_sessionfinish():\n    print('HAS', *[name for name in %r if name in sys.modules])\n"
    (folder / "conftest.py").write_text(said % (HEAVY,))
    # Other plugins of the environment import what they like (Hypothesis' own, say): ours is loaded alone.
    alone = ("-p", "no:hypothesispytest", "-p", "no:xdist", *options)
    ended = pytest_in(folder, source, "-s", *alone)
    assert "plugins: gradassay" in ended.stdout, ended.stdout + ended.stderr
    return set(re.findall(r"^.*HAS(.*)$", ended.stdout, re.M)[0].split())


def test_an_unused_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported_after(tmp_path, "", "--collect-only") == set()
    assert imported_after(tmp_path, "def test_mine(tmp_path): pass\ndef test_other(): assert 0\n") == set()


def test_the_proof_above_can_fail(tmp_path: Path) -> None:
    assert "numpy" in imported_after(tmp_path, "from gradassay.testing import conformance\n")


# --- names, and what pytest does with them

ONE = ("-k", "lstm/smoke/plain-values")
FEW_OF_TWO = "lstm/smoke/two-layers-bidirectional and (-values or -gradients)"


def test_every_test_has_a_name_that_can_be_typed(tmp_path: Path) -> None:
    named = f"{PLAIN}-gradients]"
    ended = conformance_in(tmp_path, "-v", "-k", "smoke/plain-gradients and lstm")
    assert outcomes(ended) == {named: "PASSED"}, ended.stdout
    options = ("--pyargs", "--gradassay-target", "numpy/float64", "-v")
    assert outcomes(pytest_in(tmp_path, None, *options, named)) == {named: "PASSED"}


def test_a_test_that_failed_last_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from gradassay_numpy import faulty_backend\nbackend = faulty_backend('reverse-dx-not-reversed-back')\n"
    )
    wrong = "wrong.py:backend/float64"
    first = outcomes(conformance_in(tmp_path, "-v", "-k", FEW_OF_TWO, target=wrong))
    failed = {test for test, outcome in first.items() if outcome == "FAILED"}
    assert failed and failed < set(first)
    assert set(outcomes(conformance_in(tmp_path, "-v", "--lf", target=wrong))) == failed


def test_junit_names_the_module_and_the_question(tmp_path: Path) -> None:
    conformance_in(tmp_path, *ONE, "--junitxml", "out.xml")
    (case,) = ElementTree.parse(tmp_path / "out.xml").getroot().iter("testcase")
    assert case.get("classname") == "gradassay.conformance"
    assert case.get("name") == f"test_conformance[{TARGET}-lstm/smoke/plain-values]"


UNUSED = ["gradassay", "gradassay._pytest"]


def records(path: Path) -> tuple[Header, list[Verdict], Footer]:
    header, *verdicts, footer = read(path)
    assert isinstance(header, Header) and isinstance(footer, Footer)
    return header, [verdict for verdict in verdicts if isinstance(verdict, Verdict)], footer


def told(verdicts: list[Verdict]) -> list[tuple[object, ...]]:
    return [(v.target, v.spec, v.suite, v.case, v.property, v.tensor, v.outcome, v.rms, v.max) for v in verdicts]


def test_two_workers_reach_the_same_verdicts_and_one_report(tmp_path: Path) -> None:
    chosen = ("-k", "plain or no-bias or drawn-values", "--gradassay-suite", "drawn", "--gradassay-examples", "5", "-v")
    one = conformance_in(tmp_path, *chosen, "--gradassay-report", "one.jsonl")
    two = conformance_in(tmp_path, *chosen, "--gradassay-report", "two.jsonl", "-n", "2")
    assert one.returncode == two.returncode == 0, one.stdout + two.stdout
    assert len(outcomes(one)) > 20 and outcomes(one) == outcomes(two)
    assert "[gw0]" in two.stdout and "[gw1]" in two.stdout
    (header, verdicts, footer), (header2, verdicts2, footer2) = (
        records(tmp_path / "one.jsonl"),
        records(tmp_path / "two.jsonl"),
    )
    assert told(verdicts) == told(verdicts2) and len(verdicts) > 100
    assert (footer.complete, footer.counts) == (footer2.complete, footer2.counts) == (True, {"passed": len(verdicts)})
    assert header.targets == header2.targets == (TARGET,)
    assert header.versions == header2.versions and "numpy" in header.versions["numpy"]
    drawn = [record for record in read(tmp_path / "one.jsonl") if isinstance(record, Drawn)]
    assert drawn and drawn == [record for record in read(tmp_path / "two.jsonl") if isinstance(record, Drawn)]


# --- options


def test_a_report_is_a_run_that_show_reads(tmp_path: Path) -> None:
    from click.testing import CliRunner

    ended = conformance_in(tmp_path, *FEW, "--gradassay-report", "run.jsonl")
    assert "(gradassay show " in ended.stdout
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "run.jsonl")])
    assert shown.exit_code == 0 and "verdicts passed on 1 target" in shown.output
    asked = {verdict.property for verdict in records(tmp_path / "run.jsonl")[1]}
    assert asked == {"values", "contract", "jvp"}  # of those that the tests' selection left


def test_a_report_of_a_run_that_was_stopped_is_incomplete(tmp_path: Path) -> None:
    source = SIMULATED + 'test_faulty = conformance(faulty, properties=["gradients"])\n'
    pytest_in(tmp_path, source, "-x", "--gradassay-report", "run.jsonl")
    assert records(tmp_path / "run.jsonl")[2].complete is False


@pytest.mark.parametrize("value", ["nowhere/run.jsonl", "."])
def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path, value: str) -> None:
    ended = conformance_in(tmp_path, *ONE, "--gradassay-report", value)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: cannot write" in ended.stderr


def test_settings_of_the_ini_file_stand_in_for_options(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ngradassay_target = numpy/float64 numpy/float32\ngradassay_suite = smoke\n"
        "gradassay_property = values\ngradassay_report = run.jsonl\n"
    )
    ended = pytest_in(tmp_path, None, "--pyargs", "gradassay.conformance", "-k", "lstm/smoke/plain", "-v")
    assert set(outcomes(ended)) == {
        f"{NAME}[numpy/eager/cpu/{dtype}-lstm/smoke/plain-values]" for dtype in ("float64", "float32")
    }
    assert records(tmp_path / "run.jsonl")[0].properties == ("values",)


def test_the_marker_selects_and_is_registered(tmp_path: Path) -> None:
    source = "from gradassay.testing import conformance\ntest_own = conformance()\ndef test_other(): pass\n"
    options = ("--strict-markers", "-v", "--gradassay-target", "numpy/float64", "--gradassay-suite", "smoke")
    found = outcomes(pytest_in(tmp_path, source, *options, "--gradassay-property", "values", "-m", "gradassay"))
    assert set(found) and all("test_own[" in test for test in found)
    assert "@pytest.mark.gradassay(" in pytest_in(tmp_path, source, "--markers").stdout


def test_without_a_target_it_says_what_is_needed(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, None, "--pyargs", "gradassay.conformance")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "gradassay.conformance needs a target: add --gradassay-target TARGET" in ended.stderr
    ended = pytest_in(tmp_path, "from gradassay.testing import conformance\ntest_own = conformance()\n")
    assert "needs a target" in ended.stdout and "Traceback" not in ended.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gradassay-target", "nump"), "there is no backend `nump`"),
        (("--gradassay-target", "numpy", "--gradassay-examples", "few"), "gradassay-examples is 'few'; it should be"),
    ],
)
def test_what_cannot_be_asked_ends_the_collection(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    ended = pytest_in(tmp_path, None, "--pyargs", "gradassay.conformance", *options)
    assert ended.returncode == pytest.ExitCode.INTERRUPTED
    assert message in ended.stdout and "Traceback" not in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("numpy/float31", [], []), "'float31' is no mode, device or dtype of numpy"),
        (("numpy", ["smok"], []), "there is no suite `smok`"),
        (("numpy", ["smok", "drawn"], []), "there is no suite `smok`"),
        (("numpy", [], ["value"]), "there is no property `value`"),
        (("numpy", [], ["agreement"]), "agreement alone is nothing to verify: .*; a test is about one target: use"),
    ],
    ids=str,
)
def test_a_name_that_does_not_exist_is_told(arguments: tuple[str, list[str], list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lay_out(*arguments)


def test_collecting_imports_no_framework(tmp_path: Path) -> None:
    names = "{'torch', 'jax', 'tensorflow', 'keras'}"
    (tmp_path / "conftest.py").write_text(
        f"import sys\ndef pytest_collection_finish():\n    print('HAS', sorted({names} & set(sys.modules)))\n"
    )
    targets = [f"--gradassay-target={name}" for name in ("torch", "jax", "tensorflow", "numpy")]
    options = ("--collect-only", "-q", "--gradassay-suite=smoke", "--gradassay-suite=drawn", *targets)
    ended = pytest_in(tmp_path, None, "--pyargs", "gradassay.conformance", *options)
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"^HAS \[\]$", ended.stdout, re.M), ended.stdout[-2000:]
    assert "[torch/" in ended.stdout and "-lstm/drawn-gradients]" in ended.stdout


@pytest.mark.parametrize(("test", "imported"), [("def test(): pass", UNUSED), ("def test(assay): pass", None)])
def test_where_it_is_not_used_it_costs_the_import_of_one_module(
    tmp_path: Path, test: str, imported: list[str] | None
) -> None:
    """Counted, not timed: of all that a check needs, an environment's other tests import nothing."""
    (tmp_path / "conftest.py").write_text(
        """
import sys
before = {name for name in sys.modules if name.partition(".")[0] in ("numpy", "msgspec", "rich", "click", "flint")}


def pytest_sessionfinish():
    ours = {name for name in sys.modules if name.partition(".")[0] in ("numpy", "msgspec", "rich", "click", "flint")}
    print("HAS", sorted(name for name in sys.modules if name.startswith("gradassay")), len(ours - before))
"""
    )
    ended = pytest_in(tmp_path, test, "-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
    assert ended.returncode == 0, ended.stdout
    told = re.search(r"HAS (\[.*\]) (\d+)", ended.stdout)
    assert told is not None, ended.stdout
    if imported is None:  # the proof can fail
        assert "'gradassay._check'" in told[1] and int(told[2]) > 100
    else:
        assert told.groups() == (str(imported), "0")


# --- cases that are drawn

DRAWN = (
    SIMULATED
    + """
test_faulty = conformance(faulty, suite="drawn", properties=["gradients", "values"])
"""
)


def test_a_property_holds_on_drawn_cases_and_what_fails_is_shrunk_saved_and_replayed(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, DRAWN, "-v", "--gradassay-report", "run.jsonl")
    found = {test.partition("lstm/")[2]: outcome for test, outcome in outcomes(ended).items()}
    assert set(found.items()) == {
        ("drawn-gradients]", "FAILED"), ("drawn-values]", "PASSED"),
    }  # fmt: skip
    assert "gradients of c0, in drawn/" in ended.stdout and "Traceback" not in ended.stdout
    assert "dL/dc0 is not multiplied by the first forget gate" in ended.stdout  # it is diagnosed, too
    assert re.search(r"drawn +LSTM\(input_size=1, hidden_size=1, num_layers=1, bidirectional=False", ended.stdout)
    assert re.search(r"Call\(batch=1, steps=1, lengths=None", ended.stdout)
    (saved,) = (tmp_path / ".gradassay").iterdir()
    assert saved.name == "faulty-dc0-without-forget-factor-rounded-cpu-float64-lstm-gradients.safetensors"
    assert f"gradassay replay .gradassay/{saved.name} TARGET" in ended.stdout
    replayed = subprocess.run(
        [sys.executable, "-m", "gradassay.cli", "replay", str(saved), "numpy"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert replayed.returncode == 0 and "verdicts passed on 1 target" in replayed.stdout, replayed.stderr


def test_other_cases_are_drawn_only_if_a_seed_is_given(tmp_path: Path) -> None:
    def drawn(*options: str) -> list[tuple[object, ...]]:
        asked = ("--gradassay-suite", "drawn", "-k", "drawn-values", "--gradassay-examples", "5")
        conformance_in(tmp_path, *asked, "--gradassay-report", "run.jsonl", *options)
        return [(v.case, v.tensor, v.max) for v in records(tmp_path / "run.jsonl")[1]]

    first = drawn()  # two workers that draw the same are above
    assert first and first != drawn("--hypothesis-seed", "7")


def test_examples_are_as_many_as_asked_for(tmp_path: Path) -> None:
    source = """
from gradassay import _drawn, testing
asked = []
original = _drawn.hold
def counting(item, ask, examples, seed):
    found = original(item, ask, examples, seed)
    asked.append((examples, found.cases))
    return found
_drawn.hold = counting
test_drawn = testing.conformance("numpy/float64", suite="drawn", properties=["values"])
def test_last():
    assert asked == [(7, 7)]
"""
    ended = pytest_in(tmp_path, source, "--gradassay-examples", "7")
    assert ended.returncode == 0, ended.stdout


# --- the fixture

LAYER = """
import numpy as np, pytest
import gradassay._check as checked
from gradassay._simulated import Simulated
from gradassay_lstm import LSTM, spec
from gradassay_lstm._features import FEATURES
from gradassay._adoption import Adopted, Adopters
from gradassay._target import Target

class Layer:
    def __init__(self, fault=""):
        self.fault = next((f for f in spec.faults if f.name == fault), None)

def adopt(self, layer, config, parameters):
    backend = Simulated(spec, fault=layer.fault, features=FEATURES)
    words = np.random.default_rng(1)
    config = LSTM(2, 3)
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3), "bias_ih_l0": (12,), "bias_hh_l0": (12,)}
    own = {name: words.normal(size=shape) / 2 for name, shape in shapes.items()}
    target = Target(backend.name, "rounded", "cpu", "float64")
    return Adopted(backend, "lstm", config, own, backend.load("lstm", config, own, target))
Adopters.adopt = adopt
X = np.random.default_rng(0).normal(size=(2, 4, 2))
H = np.random.default_rng(2).normal(size=(1, 2, 3))
WRONG = Layer("dc0-without-forget-factor")
"""


def test_a_right_layer_passes_and_a_wrong_one_fails_with_what_is_wrong(tmp_path: Path) -> None:
    source = (
        LAYER
        + """
def test_right(assay):
    assert assay(Layer(), x=X).ok
def test_wrong(assay):
    assay(WRONG, x=X, h0=H, c0=H)
def test_misspelt(assay):
    assay(Layer(), y=X)
@pytest.mark.gradassay(properties=["values"])
def test_values_alone(assay):
    assay(WRONG, x=X, h0=H, c0=H)
@pytest.mark.gradassay(propertys=["values"])
def test_marked_wrong(assay):
    assay(Layer(), x=X)
"""
    )
    ended = pytest_in(tmp_path, source, "-v", "--gradassay-report", "run.jsonl", "-m", "gradassay")
    found = {test.partition("::")[2]: outcome for test, outcome in outcomes(ended).items()}
    assert found == {
        "test_right": "PASSED", "test_wrong": "FAILED", "test_misspelt": "FAILED", "test_values_alone": "PASSED",
        "test_marked_wrong": "FAILED",
    }, ended.stdout  # fmt: skip
    said = ended.stdout
    assert re.search(r"^WRONG: 1 failed of \d+ verdicts; gradients of c0$", said, re.M)
    assert re.search(r"^  replay +pytest test_mine.py::test_wrong$", said, re.M)
    assert "assay: " in said and "the marker gradassay has no argument 'propertys'" in said
    assert "Traceback" not in said and "_assay.py" not in said
    verdicts = records(tmp_path / "run.jsonl")[1]
    assert {v.case for v in verdicts} == {f"test_mine.py::test_{name}" for name in ("right", "wrong", "values_alone")}


# --- waivers

ISSUE = "https://example.org/issues/9"


def waiver(folder: Path, **changes: str) -> str:
    fields = {
        "issue": f'"{ISSUE}"', "reason": '"as long as it lasts"', "expires": "2099-01-01",
        "target": '"faulty-dc0-without-forget-factor"', "property": '"gradients"', "tensor": '"c0"',
        "noise_units": "[100, 1e20]",
    }  # fmt: skip
    lines = [f"{name} = {value}" for name, value in (fields | changes).items()]
    (folder / "waivers.toml").write_text("\n".join(["[[waiver]]", *lines]))
    return "--gradassay-waivers=waivers.toml"


WAIVED = (
    SIMULATED
    + """
test_faulty = conformance(faulty, properties=["gradients", "values"])
"""
)
CHOSEN = ("-v", "-k", "smoke/plain-", "--gradassay-report", "run.jsonl")


def test_a_known_failure_is_expected_to_fail(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, WAIVED, *CHOSEN, waiver(tmp_path, case='"smoke/plain"'), "-rx")
    assert ended.returncode == 0, ended.stdout
    found = {test.rpartition("-")[2]: outcome for test, outcome in outcomes(ended).items()}
    assert found == {"gradients]": "XFAIL", "values]": "PASSED"}
    assert f"{ISSUE}: as long as it lasts" in ended.stdout and f"waived: {ISSUE} (" in ended.stdout
    _, verdicts, footer = records(tmp_path / "run.jsonl")
    assert {(v.tensor, v.outcome) for v in verdicts if v.waived == ISSUE} == {("c0", "failed")}
    assert footer.counts["waived"] == sum(v.waived == ISSUE for v in verdicts) > 0


UNMET = (
    ({"tensor": '["c0", "h0"]'}, "h0: its failure is gone"),
    ({"noise_units": "[4, 5]"}, "its failure is different: c0 failed at"),
    ({"case": '"smoke/plane"'}, "matches nothing: there is no case smoke/plane"),
    ({"expires": "2020-01-01"}, "has expired on 2020-01-01"),
    ({"property": '"values"', "tensor": '"y"'}, "its failure is gone"),
    ({"target": '"faulty-dc0-without-forget-factor/float16"'}, "matches nothing: no backend of this run offers"),
)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two-workers"])
def test_waivers_that_are_not_met_fail_the_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    text = []
    for changes, _ in UNMET:
        waiver(tmp_path, **changes)
        text.append((tmp_path / "waivers.toml").read_text())
    (tmp_path / "waivers.toml").write_text("\n".join(text))
    ended = pytest_in(tmp_path, WAIVED, *CHOSEN, "--gradassay-waivers", "waivers.toml", *workers)
    found = {test.rpartition("-")[2]: outcome for test, outcome in outcomes(ended).items()}
    assert (ended.returncode, found) == (1, {"gradients]": "XFAIL", "values]": "PASSED"}), ended.stdout
    wrong = records(tmp_path / "run.jsonl")[2].wrong
    assert len(wrong) == len(UNMET)
    for number, (told, (_, said)) in enumerate(zip(wrong, UNMET, strict=True), start=1):
        assert f"waiver {number} ({ISSUE})" in told and said in told
        assert f"waiver not met: {told}" in ended.stdout


def test_a_failure_that_its_waiver_does_not_expect_fails_its_test(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, WAIVED, *CHOSEN, waiver(tmp_path, noise_units="[4, 5]"))
    assert set(outcomes(ended).values()) == {"FAILED", "PASSED"}
    assert "gradients of c0, in smoke/plain" in ended.stdout


def test_with_runxfail_a_waived_failure_fails(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, WAIVED, *CHOSEN, waiver(tmp_path), "--runxfail")
    assert (ended.returncode, set(outcomes(ended).values())) == (1, {"FAILED", "PASSED"})


def test_a_waiver_may_be_of_a_test_of_ones_own(tmp_path: Path) -> None:
    source = LAYER + "def test_wrong(assay):\n    assay(WRONG, x=X, h0=H, c0=H)\n"
    option = waiver(tmp_path, case='"test_mine.py::test_wrong"')
    ended = pytest_in(tmp_path, source, "-v", option)
    assert (ended.returncode, outcomes(ended)) == (0, {"test_mine.py::test_wrong": "XFAIL"}), ended.stdout


def test_a_file_of_waivers_that_is_wrong_is_told_before_the_run(tmp_path: Path) -> None:
    ended = pytest_in(tmp_path, WAIVED, waiver(tmp_path, issue='"#9"'))
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: " in ended.stderr and "waiver 1: issue is '#9'; it should be a link" in ended.stderr


# --- what one test makes of several verdicts


def test_what_was_not_decided_is_said_though_the_test_passes(tmp_path: Path) -> None:
    source = """
from gradassay import _bench, testing
from gradassay._record import Verdict
def partly(self, item):
    names = {"target": "t/a/b/c", "spec": "s", "suite": "u", "case": "c", "property": "p"}
    found = [Verdict(**names, tensor=name, outcome="blind", reason="too loud") for name in "abc"]
    return [*found, Verdict(**names, tensor="y", outcome="passed"), Verdict(**names, tensor="z", outcome="passed")]
_bench.Bench.ask = partly
test_partly = testing.conformance("numpy/float32", properties=["values"])
"""
    ended = pytest_in(tmp_path, source, "-rA", "-k", "lstm/smoke/plain")
    assert ended.returncode == 0, ended.stdout
    assert "3 of 5 verdicts undecided" in ended.stdout and "a blind: too loud" in ended.stdout
    assert "blind: 3 tensors in 1 question" in ended.stdout


def test_a_target_whose_gradients_are_never_reached_fails_the_run(tmp_path: Path) -> None:
    source = """
from dataclasses import dataclass
from gradassay import Unsupported
from gradassay._simulated import Simulated
from gradassay.testing import conformance
from gradassay_lstm import spec

@dataclass(frozen=True)
class Declines(Simulated):
    name = "declines"

    def load(self, *arguments):
        raise Unsupported("not on a Sunday")

test_declines = conformance(Declines(spec), properties=["gradients"])
"""
    ended = pytest_in(tmp_path, source)
    assert ended.returncode == 1
    assert "declines/rounded/cpu/float32 reached no verdict on gradients of lstm" in ended.stdout
    assert pytest_in(tmp_path, source, "-k", "plain").returncode == 0  # a selection is no claim


def test_agreement_alone_is_refused_with_the_reason() -> None:
    from click.testing import CliRunner

    ended = CliRunner().invoke(main, ["verify", "numpy", "--property", "agreement"])
    assert ended.exit_code == 2
    assert "it sets side by side what targets have answered to values and gradients; ask for these too" in ended.output

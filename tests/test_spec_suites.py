"""Suites: what the committed ones hold, and what is said of a wrong one."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import msgspec
import pytest

from gradassay._arithmetic import Float64
from gradassay._case import build
from gradassay._plan import ON_REQUEST, SWEPT
from gradassay._tape import Tape
from gradassay_lstm import LSTM, Call, SuiteError, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm._suites import read
from gradassay_mse import spec as mse

SUITES = spec.suites()
ALL = [
    (specification, suite, case)
    for specification in (spec, mse)
    for suite in specification.suites().values()
    for case in suite
]


def case(suite, name):
    return next(case for case in SUITES[suite] if case.name == name)


def shapes(specification, case):
    return {tensor.name: tensor.shape for tensor in specification.tensors(case.config, case.call)}


@pytest.mark.parametrize("specification", [spec, mse], ids=lambda specification: specification.name)
def test_the_suites_there_are(specification):
    assert [suite for suite in specification.suites() if suite not in ON_REQUEST] == ["questions", "smoke", "wide"]
    assert all(specification.suites().values())


def test_smoke_has_every_option_that_is_not_an_empty_call():
    seen = frozenset().union(*(spec.features(case.config, case.call) for case in SUITES["smoke"]))
    assert seen == FEATURES - {"partial_states", "no_steps", "no_batch"}
    assert any((case.call, case.config) == (Call(1, 1), LSTM(1, 1)) for case in SUITES["smoke"])
    assert any(not spec.features(case.config, case.call) for case in SUITES["smoke"])


def test_the_suites_have_every_feature_and_every_regime():
    cases = [case for suite in SUITES.values() for case in suite]
    assert frozenset().union(*(spec.features(case.config, case.call) for case in cases)) == FEATURES
    assert {case.regime for case in cases} == set(spec.regimes)


def test_every_question_is_asked_in_one_line():
    asked = (*SUITES["questions"], *mse.suites()["questions"])
    assert [case.name for case in asked] == [
        "single-step",
        "many-steps-last-output",
        "output-gradient",
        "two-layers-given-states",
        "full-jacobian",
        "jacobian-block",
        "cell-against-layer",
    ]
    for case in asked:
        assert case.question.endswith("?") and "\n" not in case.question, case.name


def test_what_the_questions_ask():
    assert case("questions", "single-step").call.steps == 1
    assert case("questions", "many-steps-last-output").ask == {"cotangents": "last output"}
    assert list(case("questions", "output-gradient").ask["marks"]) == ["h"]
    assert [list(pair) for pair in case("questions", "full-jacobian").ask["jacobian"]] == [["y", "x"]]
    block = case("questions", "jacobian-block").ask["jacobian_block"]
    assert block == {"of": "y", "of_steps": (5, 8), "wrt": "x", "wrt_steps": (2, 5)}


def test_the_wide_case():
    wide = case("wide", "wide")
    assert wide.config == LSTM(input_size=5, hidden_size=10, num_layers=3, bidirectional=True)
    assert wide.call == Call(batch=5, steps=40, lengths=(40, 33, 1, 7, 0))


def test_the_ladders():
    by_name = {case.name: case for case in SUITES["wide"]}
    assert [by_name[f"steps-{n}"].call.steps for n in (1, 2, 15, 16, 17, 31, 33)] == [1, 2, 15, 16, 17, 31, 33]
    assert [by_name[f"hidden-{n}"].config.hidden_size for n in (1, 7, 8, 9, 16, 17)] == [1, 7, 8, 9, 16, 17]
    assert [by_name[f"batch-{n}"].call.batch for n in (1, 2, 3, 8)] == [1, 2, 3, 8]
    assert all(by_name[f"regime-{regime}"].regime == regime for regime in spec.regimes)


def test_the_suites_on_request():
    assert set(SUITES) >= ON_REQUEST > SWEPT
    assert not {"smoke", "questions", "wide"} & ON_REQUEST


def test_the_readme_counts_the_cases():
    text = (Path(__file__).parents[1] / "specs" / "lstm" / "README.md").read_text(encoding="utf-8")
    told = {name: int(number) for name, number in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE)}
    assert told == {name: len(cases) for name, cases in SUITES.items()}


def test_a_new_backend_climbs_one_rung_at_a_time():
    rungs = SUITES["rungs"]
    assert [rung.name for rung in rungs] == [
        *("one-step", "one-layer", "states", "layers", "directions", "layers-and-directions", "ragged"),
        *("empty-sample", "no-bias", "projection", "dropout", "one-state", "no-steps", "no-batch"),
    ]
    assert (rungs[0].config, rungs[0].call) == (LSTM(1, 1), Call(1, 1, h0=False, c0=False))
    features = [spec.features(rung.config, rung.call) for rung in rungs]
    asked_before = frozenset()
    for name, wanted in zip(rungs, features, strict=True):
        assert len(wanted - asked_before) <= 1, name  # at most one thing is new
        asked_before |= wanted
    assert asked_before == FEATURES
    assert {name for name, wanted in zip(map(str, range(len(rungs))), features, strict=True) if not wanted} == {"2"}


def test_sizes_that_have_changed_places_show_on_the_rungs():
    for rung in SUITES["rungs"][1:]:
        config, call = rung.config, rung.call
        sizes = [config.input_size, config.hidden_size, call.batch, call.steps, config.num_layers * config.directions]
        assert len(set(sizes)) == len(sizes), rung.name


def test_the_long_ladders():
    by_name = {case.name: case for case in SUITES["ladders"]}
    walks = {
        "steps": ([1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128], lambda case: case.call.steps),
        "hidden": ([1, 7, 8, 9, 15, 16, 17, 31, 32, 33], lambda case: case.config.hidden_size),
        "batch": ([0, 1, 2, 3, 7, 8, 9], lambda case: case.call.batch),
        "layers": ([1, 2, 3, 4], lambda case: case.config.num_layers),
        "layers-both-directions": ([1, 2, 3, 4], lambda case: case.config.num_layers),
    }
    for name, (values, size) in walks.items():
        assert [size(by_name.pop(f"{name}-{value}")) for value in values] == values
    lengths = {name: case.call.lengths for name, case in by_name.items()}
    assert {name.removeprefix("lengths-") for name in lengths} == {
        f"{many}-{length}" for many in ("all", "one") for length in ("0", "1", "t")
    }
    for name, found in lengths.items():
        many, wanted = name.removeprefix("lengths-").split("-")
        length = {"0": 0, "1": 1, "t": 6}[wanted]
        assert found.count(length) == (len(found) if many == "all" else 1), name


def test_no_case_stands_in_two_suites():
    suites = {name: cases for name, cases in SUITES.items() if name not in ("calibration", "cover")}
    shapes = [(name, case.config, case.call, case.regime) for name, cases in suites.items() for case in cases]
    ladders = {shape[1:] for shape in shapes if shape[0] == "ladders"}
    assert not ladders & {shape[1:] for shape in shapes if shape[0] == "wide"}


def test_sequences_ask_what_takes_several_calls():
    sequences = SUITES["sequences"]
    assert all(case.thorough for case in sequences)
    assert [case.name for case in sequences if case.ask.get("process")] == ["in-a-fresh-process"]
    names = [case.name for case in sequences]
    first, second = (sequences[names.index(name)] for name in ("in-a-fresh-process", "no-bias-left-behind"))
    assert names.index("in-a-fresh-process") + 1 == names.index("no-bias-left-behind")
    assert first.call == second.call and msgspec.structs.replace(second.config, bias=True) == first.config


def test_second_derivatives_are_asked_under_every_option_of_smoke():
    """Of a call that is not empty: under each option alone, and under all of them together."""
    thorough = [case for suite in ("smoke", "questions", "wide") for case in SUITES[suite] if case.thorough]
    asked = [spec.features(case.config, case.call) for case in thorough]
    assert frozenset().union(*asked) == FEATURES - {"no_steps", "no_batch"}
    assert max(map(len, asked)) >= len(FEATURES) - 3


def test_a_square_jacobian_and_one_by_a_parameter_are_asked():
    asked = {tuple(pair) for case in SUITES["smoke"] for pair in case.ask.get("jacobian", ())}
    assert ("h_n", "h0") in asked  # its transpose has its shape
    assert any(wrt.startswith("weight") for _, wrt in asked)


def test_compiled_modes_have_at_most_three_shapes():
    pool = [(specification, case) for specification, _, case in ALL if case.pool]
    assert 1 <= len({(case.config, case.call) for _, case in pool}) <= 3
    assert any(not specification.features(case.config, case.call) for specification, case in pool)


@pytest.mark.parametrize(("specification", "suite", "case"), ALL, ids=lambda part: getattr(part, "name", ""))
def test_jacobians_are_asked_of_small_cases_only(specification, suite, case):
    size = {name: prod(shape) for name, shape in shapes(specification, case).items()}
    for of, wrt in case.ask.get("jacobian", ()):
        assert size[of] <= 200 and size[wrt] <= 200
    if case.thorough:
        assert prod((case.call.batch, case.call.steps, case.config.hidden_size)) <= 100


@pytest.mark.parametrize(("specification", "suite", "case"), ALL, ids=lambda part: getattr(part, "name", ""))
def test_marks_that_are_asked_for_are_in_the_equations(specification, suite, case):
    built = build(specification, "", case, "float64")
    tape = Tape(Float64())
    leaves = {n: a if built.table[n].role == "index" else tape.constant(a) for n, a in built.tensors.items()}
    specification.equations(tape, case.config, case.call, leaves)
    assert set(case.ask.get("marks", ())) <= tape.marks.keys()


def test_seeds_are_not_shared():
    """Two cases of one seed would hold the same numbers. The rungs of a ladder are meant to."""
    tables = [table for specification in (spec, mse) for table in specification.suites().items()]
    seeds = [case.seed for name, cases in tables if name != "calibration" for case in cases]
    apart = [seed for seed in seeds if seeds.count(seed) == 1]
    ladders = {321: 7, 322: 6, 323: 4, 324: 15, 606: 3, 901: 12, 902: 10, 903: 7, 904: 4, 905: 4}
    assert len(apart) + sum(ladders.values()) == len(seeds)


CASE = """
[[case]]
name = "a"
seed = 1
config = { input_size = 3, hidden_size = 4 }
call = { batch = 2, steps = 5 }
"""


def wrong(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError) as error:
        read(tmp_path, spec.tensors)
    return str(error.value)


def test_a_right_one_can_be_read(tmp_path):
    (tmp_path / "mine.toml").write_text(CASE, encoding="utf-8")
    (found,) = read(tmp_path, spec.tensors)["mine"]
    assert (found.name, found.config, found.call, found.regime, found.ask) == ("a", LSTM(3, 4), Call(2, 5), "unit", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "mine.toml is not TOML: "),
        ("[case]\nname = 'a'", "mine.toml has [case]; it should be [[case]]"),
        (
            "[[cases]]\nname = 'a'",
            "mine.toml has 'cases' at its top; it should have [[case]] and [[ladder]] tables only",
        ),
        (CASE.replace("seed = 1", ""), "mine.toml, case 'a': Object missing required field `seed`"),
        (CASE.replace('name = "a"', ""), "mine.toml, case 'number 1': Object missing required field `name`"),
        (CASE.replace('"a"', '"A b"'), "mine.toml, case 'A b', field name: Expected `str` matching regex"),
        (CASE.replace("seed = 1", "seed = -1"), "mine.toml, case 'a', field seed: Expected `int` >= 0"),
        (CASE.replace("= 4", "= '4'"), "mine.toml, case 'a', field config.hidden_size: Expected `int`, got `str`"),
        (
            CASE.replace("= 4", "= 0"),
            "mine.toml, case 'a', field config: LSTM.hidden_size is 0; it should be at least 1",
        ),
        (
            CASE.replace("hidden_", "hiden_"),
            "mine.toml, case 'a', field config: Object contains unknown field `hiden_size`",
        ),
        (
            CASE.replace("= 5", "= 5, lengths = [6, 1]"),
            "mine.toml, case 'a', field call: Call.lengths has 6; each should be",
        ),
        (CASE + "ask = { process = 'yes' }", "mine.toml, case 'a', field ask.process: Expected `bool`, got `str`"),
        (CASE + "regim = 'unit'", "mine.toml, case 'a': Object contains unknown field `regim`"),
        (CASE + "regime = 'lively'", "mine.toml, case 'a', field regime: no 'lively'; it should be one of unit, "),
        (CASE + "ask = { jacobean = [] }", "mine.toml, case 'a', field ask: Object contains unknown field `jacobean`"),
        (
            CASE + "ask = { cotangents = 'first' }",
            "mine.toml, case 'a', field ask.cotangents: Invalid enum value 'first'",
        ),
        (
            CASE + "ask = { jacobian = [['y', 'z']] }",
            "mine.toml, case 'a', field ask.jacobian: no 'z'; it should be one of bias_hh_l0, bias_ih_l0, c0, h0, ",
        ),
        (
            CASE + "ask = { jacobian = [['x', 'x']] }",
            "mine.toml, case 'a', field ask.jacobian: no 'x'; it should be one of c_n, h_n, y",
        ),
        (
            CASE + "ask = { jacobian_block = { of = 'y', of_steps = [3, 6], wrt = 'x', wrt_steps = [0, 2] } }",
            "mine.toml, case 'a', field ask.jacobian_block: steps [3, 6]; they should be [first, one past the last] "
            "within 0 to 5",
        ),
        (CASE + CASE, "mine.toml, case 'a', field name: an earlier case has it; a name should be unique in its suite"),
        (
            CASE.replace("[[case]]", "[[ladder]]\nover = 'call.rows'\nvalues = [1]"),
            "mine.toml, case 'a-1', field call: Object contains unknown field `rows`",
        ),
        (
            CASE.replace("[[case]]", "[[ladder]]\nover = 'seed'\nvalues = [1]"),
            "mine.toml, ladder 'a', field over: Expected `str` matching regex",
        ),
        (
            CASE.replace("[[case]]", "[[ladder]]\nover = 'call.steps'\nvalues = ['many']"),
            "mine.toml, case 'a-many', field call.steps: Expected `int`, got `str`",
        ),
    ],
)
def test_a_wrong_one_is_named_by_file_case_and_field(tmp_path, text, message):
    assert wrong(tmp_path, text).startswith(message)


def test_a_spec_whose_tensors_refuse_a_call_is_heard(tmp_path):
    (tmp_path / "mine.toml").write_text(CASE.replace("steps = 5", "steps = 0"), encoding="utf-8")
    with pytest.raises(SuiteError, match="mine.toml, case 'a', field call: mse has batch=2, steps=0: a mean over no"):
        read(tmp_path, mse.tensors)

"""The suite `cover`: every three classes that can meet do, proved from the cases alone; and its maker makes it."""

from __future__ import annotations

from importlib.resources import files
from itertools import combinations, product

import pytest

from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._cover import EXCLUDED, FACTORS, rows, toml

CASES = spec.suites()["cover"]
REGIMES = ("unit", "saturated", "tiny", "huge", "memory", "zeros")

# What a case is of, read from its sizes and options: nothing here is taken from the module that made the design.
CLASSES = {
    "layers": (1, 2, 3),
    "both directions": (False, True),
    "bias": (False, True),
    "projection": (False, True),
    "states": ((True, True), (True, False), (False, True), (False, False)),
    "lengths": ("full", "ragged", "with 0 and 1"),
    "dropout": (False, True),
    "steps": ("one", "few", "beyond a tile"),
    "batch": ("one", "few"),
    "N = H": (False, True),
    "regime": REGIMES,
}


def classes_of(template):
    config, call = template.config, template.call
    lengths = "full" if call.lengths is None else "with 0 and 1" if {0, 1} <= set(call.lengths) else "ragged"
    found = (
        config.num_layers,
        config.bidirectional,
        config.bias,
        config.projection > 0,
        (call.h0, call.c0),
        lengths,
        call.dropout,
        "one" if call.steps == 1 else "beyond a tile" if call.steps > 16 else "few",
        "one" if call.batch == 1 else "few",
        config.input_size == config.hidden_size,
        template.regime,
    )
    return dict(zip(CLASSES, found, strict=True))


def possible(chosen):
    """Say whether some case has these classes, the others being free: none forbids three that are fine two by two."""
    if chosen.get("dropout") and chosen.get("layers") == 1:
        return False
    if chosen.get("lengths", "full") != "full" and chosen.get("steps") == "one":
        return False
    return not (chosen.get("lengths") == "with 0 and 1" and chosen.get("batch") == "one")


def test_every_three_classes_that_can_meet_do():
    have = [classes_of(template) for template in CASES]
    wanted = found = 0
    for names in combinations(CLASSES, 3):
        met = {tuple(case[name] for name in names) for case in have}
        for chosen in product(*(CLASSES[name] for name in names)):
            if possible(dict(zip(names, chosen, strict=True))):
                wanted += 1
                assert chosen in met, f"no case has {dict(zip(names, chosen, strict=True))}"
        found += len(met)
    assert wanted == found  # and no case has what is thought impossible
    assert wanted > 3000 and len(CASES) < 1.5 * 6 * 4 * 3  # the three largest factors alone take 72 cases


def test_the_proof_can_fail():
    """One case fewer, and some three classes meet no more: of nearly every case."""
    have = [classes_of(template) for template in CASES]
    triples = [{(names, tuple(case[name] for name in names)) for names in combinations(CLASSES, 3)} for case in have]
    alone = [own - set().union(*(other for other in triples if other is not own)) for own in triples]
    assert sum(map(bool, alone)) > len(CASES) * 0.9


def test_every_case_is_small():
    for template in CASES:
        config, call = template.config, template.call
        assert config.hidden_size == 4 and call.batch * call.steps <= 85
        assert template.thorough == (call.batch * call.steps * config.hidden_size <= 60)
    assert sum(template.thorough for template in CASES) > 30


def test_a_ragged_case_has_a_sample_that_is_shorter():
    for template in CASES:
        if template.call.lengths is not None:
            assert min(template.call.lengths) < template.call.steps, template.name


def test_a_case_says_what_it_is_of():
    assert CASES[0].question == "1 layer, T = 1, B = 5, N = H."
    assert (CASES[0].config, CASES[0].call) == (LSTM(4, 4), Call(5, 1))
    assert "3 layers, both directions, no bias, projection, c0 alone, dropout" in CASES[-1].question
    assert CASES[-1].question.endswith("saturated data.")


def test_classes_have_names_of_their_own():
    names = [name for classes in FACTORS.values() for name in classes]
    assert len(set(names)) == len(names)
    assert all(name in names for pair in EXCLUDED for name in pair)


def test_the_file_is_what_its_maker_makes():
    pytest.importorskip("covertable")
    committed = (files("gradassay_lstm") / "suites" / "cover.toml").read_text(encoding="utf-8")
    assert toml(rows()) == committed

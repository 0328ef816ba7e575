from __future__ import annotations

import pytest

from gradassay._backend import Mode, Offer
from gradassay._errors import UsageError
from gradassay._target import Target, parse, parse_targets

OFFERS = {
    "jax": (Offer("lstm", modes=(Mode("eager"), Mode("jit")), devices=("cpu", "cpu:1")),),
    "torch": (
        Offer("lstm", modes=(Mode("native"), Mode("slow", sweep=True)), dtypes=("float64", "float32", "bfloat16")),
        Offer("mse", modes=(Mode("native"), Mode("fused")), dtypes=("float64",)),
    ),
    "torch-cell": (Offer("lstm", modes=(Mode("inductor", sweep=True),), dtypes=("float32",)),),
    "none": (),
    "a/fast.py:lstm": (Offer("lstm", devices=("cpu", "cpu:1")),),
    "module:lstm": (Offer("lstm"),),
}


def names(text: str, *, sweep: bool = False) -> list[str]:
    return [str(target) for target in parse(text, OFFERS, sweep=sweep)]


def test_a_whole_target_is_itself() -> None:
    assert parse("jax/jit/cpu:1/float32", OFFERS) == [Target("jax", "jit", "cpu:1", "float32")]


def test_a_backend_may_be_a_location() -> None:
    assert names("a/fast.py:lstm/float32/cpu:1") == ["a/fast.py:lstm/eager/cpu:1/float32"]
    assert names("module:lstm/float64") == ["module:lstm/eager/cpu/float64"]
    assert names("a/fast.py:lstm")[-1] == "a/fast.py:lstm/eager/cpu:1/float32"


def test_parts_come_in_any_order() -> None:
    assert names("jax/float32/cpu:1/jit") == names("jax/jit/cpu:1/float32") == ["jax/jit/cpu:1/float32"]


def test_a_missing_part_means_all_modes_the_first_device_and_all_dtypes() -> None:
    assert names("jax/float32") == ["jax/eager/cpu/float32", "jax/jit/cpu/float32"]
    assert names("jax/jit") == ["jax/jit/cpu/float64", "jax/jit/cpu/float32"]
    assert names("jax/cpu:1/float64") == ["jax/eager/cpu:1/float64", "jax/jit/cpu:1/float64"]


def test_a_backend_alone_adds_its_second_device_in_the_default_mode() -> None:
    assert names("jax") == [
        "jax/eager/cpu/float64",
        "jax/eager/cpu/float32",
        "jax/jit/cpu/float64",
        "jax/jit/cpu/float32",
        "jax/eager/cpu:1/float64",
        "jax/eager/cpu:1/float32",
    ]


def test_a_mode_for_sweeps_runs_when_named_or_in_a_sweep() -> None:
    assert not any("slow" in name for name in names("torch"))
    assert names("torch/slow/float32") == ["torch/slow/cpu/float32"]
    assert "torch/slow/cpu/float32" in names("torch", sweep=True)


def test_only_what_one_offer_has_together_is_a_target() -> None:
    assert names("torch/fused") == ["torch/fused/cpu/float64"]
    with pytest.raises(UsageError, match=r"'torch/fused/bfloat16' names nothing: no offer of torch has these parts"):
        parse("torch/fused/bfloat16", OFFERS)


def test_a_list_keeps_its_order_and_drops_duplicates() -> None:
    found = parse_targets(["torch/float32", "jax/jit/float32", "torch/native/float32"], OFFERS)
    assert [str(target) for target in found] == ["torch/native/cpu/float32", "jax/jit/cpu/float32"]


def test_no_text_means_every_backend() -> None:
    offers = {name: OFFERS[name] for name in ("jax", "torch")}
    assert {target.backend for target in parse_targets([], offers)} == {"jax", "torch"}


def test_no_backend_at_all_says_how_to_install_one() -> None:
    with pytest.raises(UsageError, match=r"no backend is installed; from this repository: pip install -e backends/"):
        parse_targets([], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torhc", r"no backend 'torhc' is installed \(did you mean torch\?\); there are jax, torch, torch-cell"),
        ("Torch", r"no backend 'Torch' is installed \(did you mean torch"),
        ("float32/torch", r"target 'float32/torch' should begin with its backend: write torch/float32"),
        (
            "torch/flaot32",
            r"'flaot32' is no mode, device or dtype of torch \(did you mean float32.*\); it offers the mo",
        ),
        (
            "torch/tpu",
            r"'tpu' is no mode.* the modes native, slow, fused; the devices cpu; the dtypes float64, float32, bf",
        ),
        ("jax/eager/jit", r"'jax/eager/jit' names two modes, eager and jit; type two targets instead"),
        ("jax/cpu/cpu:1", r"names two devices, cpu and cpu:1"),
        ("jax/float32/float64", r"names two dtypes, float32 and float64"),
        ("torch//float32", r"'torch//float32' has an empty part; write torch/float32"),
        ("torch/", r"'torch/' has an empty part; write torch$"),
        ("", r"'' has an empty part; write jax/float64"),
        ("torch/*", r"holds a '\*'; leave a part out to mean all of it, as in jax/float64"),
        ("torch@2.11", r"holds a '@'; separate its parts by '/'"),
        ("torch-cell", r"every mode of torch-cell is for sweeps: add --sweep, or name one of inductor"),
        ("none", r"'none' names nothing"),
        ("a/fast.py:lstm/float23", r"'float23' is no mode, device or dtype of a/fast.py:lstm \(did you mean float"),
        ("a/fast.py:lstm/*", r"holds a '\*'; leave a part out"),
        ("a/fast.py:lstm/", r"has an empty part; write a/fast.py:lstm$"),
        ("a/fast.py/float32", r"names no function of a/fast.py: write a/fast.py:NAME"),
    ],
)
def test_what_is_wrong_and_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text, OFFERS)

"""What may differ between right implementations stays green in every dtype: a verdict is no matter of taste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradassay import Fault, Model, Offer, Target, Tensors
from gradassay._cache import Cache
from gradassay._oracle import Oracle
from gradassay._power import Bench
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._simulated import Simulated, SimulatedModel
from gradassay._target import DTYPES
from gradassay._words import Words
from gradassay.views.check import explanation
from gradassay_lstm import LSTM, Call, layouts, spec
from gradassay_lstm._features import FEATURES

WIDE = ("wide-projection-ragged", "wide-h0-only", "steps-17", "hidden-17", "batch-8", "regime-positive", "regime-spiky")
PROPERTIES = ("contract", "values", "gradients")
SAME_BITS = {"gates-in-another-order", "padding-cleared-first"}  # columns elsewhere, and no padding to clear
NO_PROJECTION = FEATURES - {"projection"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("answers"))


def assert_green(backend: Any, cache: Cache) -> None:
    """Ask the whole of smoke and some of wide; nothing may fail, and little may go unsaid."""
    smoke = tuple(template.name for template in spec.suites()["smoke"])
    records = verify(
        objects=[backend],
        specs=["lstm"],
        suites=["smoke", "wide"],
        cases=[*smoke, *WIDE],
        properties=PROPERTIES,
        cache=cache,
        diagnose=False,
    )
    found = [record for record in records if isinstance(record, Verdict)]
    (offer,) = backend.offers
    able = {"passed"} if offer.features == FEATURES else {"passed", "skipped"}
    assert {verdict.outcome for verdict in found} <= able, explanation(found)
    reached = {(v.case, v.target.rsplit("/", 1)[1]) for v in found if v.outcome == "passed"}
    without = {name for name in (*smoke, *WIDE) if "projection" in name and "projection" not in offer.features}
    assert reached == {(case, dtype) for case in {*smoke, *WIDE} - without for dtype in DTYPES}


@pytest.mark.parametrize("variant", [None, *spec.benign], ids=lambda variant: variant.name if variant else "as-it-is")
def test_the_same_function_in_another_way(variant: Fault | None, cache: Cache) -> None:
    assert_green(Simulated(spec, variant, features=FEATURES), cache)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", spec.benign, ids=lambda variant: variant.name)
def test_no_property_accuses_the_same_function_in_another_way(variant: Fault, dtype: str, cache: Cache) -> None:
    """Every property that any case is asked, of the cases that are asked most."""
    here = Bench(spec, dtype, ("smoke",), Oracle(cache))
    asked = ("plain", "ragged") if dtype == "float64" else ("ragged",)
    questions = [q for q in here.questions["smoke"] if q.template.name in asked]
    found = [verdict for question in questions for verdict in here.ask(question, variant).verdicts]
    assert {verdict.outcome for verdict in found} <= {"passed", "blind", "not applicable"}, explanation(found)
    assert {verdict.property for verdict in found} >= set(PROPERTIES)
    assert sum(verdict.outcome == "passed" for verdict in found) > 0.9 * len(found)


@pytest.mark.parametrize("variant", spec.benign, ids=lambda variant: variant.name)
def test_another_way_is_really_another(variant: Fault, cache: Cache) -> None:
    """Some number differs, by no more than rounding."""
    here = Bench(spec, "bfloat16", ("smoke",), Oracle(cache))
    (question,) = (q for q in here.questions["smoke"] if q.template.name == "plain")
    few = tuple(property_ for property_ in question.properties if property_.name in PROPERTIES)
    changes = here.changes(replace(question, properties=few), variant)
    assert changes or variant.name in SAME_BITS
    assert all(size < 0.5 for size in changes.values())


# --- another layout, with the weights moved along


class OnnxModel:
    """Computes with weights as ONNX lays them out, gates i, o, f, g, and gives back gradients in the canonical layout.

    The gates of the equations are put back in place after the product, so that the order really differs before.
    """

    layout = layouts["onnx"]
    fault = Fault(
        "onnx-order",
        "the gates stand in another order, and are read in that order",
        "none known",
        (),
        edits=lambda u: {"gates": lambda tape, value, where: read(tape, value, "iofg")},
    )

    def __init__(self, config: LSTM, parameters: Tensors, dtype: str) -> None:
        self.names = tuple(parameters)
        arrays = self.layout.forward(parameters)
        moved = {name: array for key, stacked in arrays.items() for name, array in unstack(key, stacked)}
        self.model = SimulatedModel(spec, config, moved, dtype, self.fault)

    @property
    def ran(self) -> Mapping[str, str]:
        return self.model.ran

    def forward(self, inputs: Tensors) -> Tensors:
        return self.model.forward(inputs)

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        outputs, found = self.model.vjp(inputs, cotangents, wrt)
        gradients = dict(found)
        parameters = [name for name in wrt if name in self.names]
        gradients |= self.layout.adjoint(stack({name: found[name] for name in parameters}), parameters)
        return outputs, gradients


def read(tape: Any, gates: Any, order: str) -> Any:
    """Put blocks that stand in `order` into i, f, g, o."""
    size = gates.shape[-1] // 4
    return tape.concatenate([gates[:, order.index(g) * size : (order.index(g) + 1) * size] for g in "ifgo"], axis=-1)


def unstack(key: str, stacked: Any) -> list[tuple[str, Any]]:
    """`R_l1` of both directions to `weight_hh_l1` and `weight_hh_l1_reverse`; `B` to its two biases."""
    kind, layer = key.split("_")
    found: list[tuple[str, Any]] = []
    for suffix, array in zip(("", "_reverse"), stacked, strict=False):
        if kind == "B":
            ih, hh = np.split(array, 2)
            found += [(f"bias_ih_{layer}{suffix}", ih), (f"bias_hh_{layer}{suffix}", hh)]
        else:
            found.append((f"weight_{'ih' if kind == 'W' else 'hh'}_{layer}{suffix}", array))
    return found


def stack(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Invert `unstack`."""
    found: dict[str, Any] = {}
    for layer in sorted({name.removesuffix("_reverse").rsplit("_", 1)[1] for name in arrays}):
        suffixes = [layer + suffix for suffix in ("", "_reverse") if f"weight_ih_{layer}{suffix}" in arrays]
        found[f"W_{layer}"] = np.stack([arrays[f"weight_ih_{suffix}"] for suffix in suffixes])
        found[f"R_{layer}"] = np.stack([arrays[f"weight_hh_{suffix}"] for suffix in suffixes])
        if f"bias_ih_{layer}" in arrays:
            both = [np.concatenate([arrays[f"bias_{which}_{s}"] for which in ("ih", "hh")]) for s in suffixes]
            found[f"B_{layer}"] = np.stack(both)
    return found


class Moved(Simulated):
    """Simulated, with parameters that went through a framework's layout and back."""

    layout = "keras"

    @property
    def offers(self) -> tuple[Offer, ...]:
        return tuple(replace(offer, operators=frozenset({"forward", "vjp"})) for offer in super().offers)

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        if self.layout == "onnx":
            return OnnxModel(config, parameters, target.dtype)
        there = layouts[self.layout]
        back = there.inverse(there.forward(parameters))
        return super().load(spec, config, {name: back[name] for name in parameters}, target)


@pytest.mark.parametrize("layout", ["onnx", "keras", "flax"])
def test_another_layout_with_the_weights_moved_along(layout: str, cache: Cache) -> None:
    backend = type("Moved", (Moved,), {"layout": layout})(spec, features=NO_PROJECTION)
    assert_green(backend, cache)


def test_the_same_order_without_the_weights_is_no_benign_variant() -> None:
    """The test above can fail: gates that are read in another order than they stand are wrong."""
    config, call = LSTM(3, 4), Call(2, 3)
    data = {n: a.astype(np.float64) for n, a in spec.draw(config, call, "unit", Words(1, "lstm")).items()}
    parameters = {n: a for n, a in data.items() if n.startswith(("weight", "bias"))}
    inputs = {n: a for n, a in data.items() if n not in parameters}
    right = SimulatedModel(spec, config, parameters, "float64").forward(inputs)["y"]
    moved = OnnxModel(config, parameters, "float64").forward(inputs)["y"]
    wrong = SimulatedModel(spec, config, parameters, "float64", OnnxModel.fault).forward(inputs)["y"]
    np.testing.assert_allclose(moved, right, rtol=1e-12)
    assert np.max(np.abs(wrong - right)) > 0.01

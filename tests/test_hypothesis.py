"""Contract, values and gradients of any case that can be drawn; and a fault shrinks to the smallest case it has."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from evidence import alone
from hypothesis import HealthCheck, Phase, given, settings

from gradassay import UsageError
from gradassay._case import build
from gradassay._record import Verdict
from gradassay._simulated import Simulated
from gradassay._single import PROPERTIES, in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay.views.check import explanation
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm._strategies import SMALL, TILES, cases, searched
from gradassay_numpy import faulty_backend, numpy_backend

EXAMPLES = 40
PLAIN = frozenset({"layers", "bidirectional", "no_bias", "projection"})
oracle = in_memory()

few = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def assert_right(backend: Any, case: CaseTemplate, dtype: str) -> tuple[Verdict, ...]:
    """Fail with the case, and what is wrong with it in words; a verdict that is blind accuses nobody."""
    found = verify_case(backend, spec, case, dtype, oracle=oracle)
    wrong = [verdict for verdict in found if verdict.outcome not in ("passed", "blind")]
    assert not wrong, f"{case.config}, {case.call}, regime {case.regime}\n{explanation(wrong)}"
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_contract_values_and_gradients_of_any_case(dtype: str) -> None:
    reached: set[str] = set()

    @few
    @given(case=cases())
    def holds(case: CaseTemplate) -> None:
        reached.update(v.property for v in assert_right(numpy_backend, case, dtype) if v.outcome == "passed")

    holds()
    assert reached == set(PROPERTIES)


def right_on_any_case(backend: Any, lacking: frozenset[str], dtype: str, examples: int) -> None:
    """Draw cases of all that the backend offers, but for what its gaps name; every property must be reached."""
    reached: set[str] = set()

    @settings(few, max_examples=examples)
    @given(case=cases(FEATURES - lacking))
    def holds(case: CaseTemplate) -> None:
        reached.update(v.property for v in assert_right(backend, case, dtype) if v.outcome == "passed")

    holds()
    assert reached == set(PROPERTIES)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_any_case_on_torchs_own_kernel(dtype: str) -> None:
    pytest.importorskip("torch")
    torch_backend = pytest.importorskip("gradassay_torch").torch_backend
    one = alone(torch_backend, "native", dtype)
    gaps = next(offer.gaps for offer in torch_backend.offers if offer.modes == one.offer.modes)
    right_on_any_case(one, frozenset().union(*(gap.features for gap in gaps)), dtype, 15)


def test_any_case_on_jax_compiled() -> None:
    jax = pytest.importorskip("jax")
    jax_backend = pytest.importorskip("gradassay_jax").jax_backend
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        right_on_any_case(alone(jax_backend, "jit", "float64"), frozenset(), "float64", 4)
    finally:
        jax.config.update("jax_enable_x64", before)


def falsify(backend: Any, offered: frozenset[str], dtype: str) -> tuple[CaseTemplate, str]:
    """Let Hypothesis find a case on which the backend is wrong and shrink it; return it, and the message."""
    failing: list[CaseTemplate] = []

    @settings(few, phases=[Phase.generate, Phase.shrink])
    @given(case=cases(offered, among=("unit",)))
    def holds(case: CaseTemplate) -> None:
        try:
            assert_right(backend, case, dtype)
        except AssertionError:
            failing.append(case)
            raise

    with pytest.raises(AssertionError) as error:
        holds()
    return failing[-1], str(error.value)  # the last that is run is the one that is reported


def test_a_reverse_direction_that_stays_reversed_shrinks_to_two_steps() -> None:
    case, message = falsify(faulty_backend("reverse-dx-not-reversed-back"), PLAIN, "float64")
    config = case.config
    assert (config.input_size, config.hidden_size, config.num_layers, config.bidirectional) == (1, 1, 1, True)
    assert (case.call.batch, case.call.steps) == (1, 2)
    name = "numpy-reverse-dx-not-reversed-back/eager/cpu/float64"
    assert re.search(rf"{name}: gradients of x failed in single/drawn-\d+ \(lstm\)", message)


def test_a_mean_over_the_batch_shrinks_to_two_rows() -> None:
    fault = next(fault for fault in spec.faults if fault.name == "mean-for-sum")
    case, message = falsify(Simulated(spec, fault, features=FEATURES), PLAIN, "float32")
    assert case.config == LSTM(input_size=1, hidden_size=1)
    assert (case.call.batch, case.call.steps) == (2, 1)
    assert "faulty-mean-for-sum/rounded/cpu/float32: gradients of " in message
    assert "LSTM(input_size=1, hidden_size=1, num_layers=1, bidirectional=False" in message
    assert re.search(r"still right +x, h0, c0", message)


def test_a_forgotten_mask_shrinks_to_two_layers() -> None:
    case, message = falsify(faulty_backend("dropout-mask-forgotten"), FEATURES - {"no_batch", "no_steps"}, "float64")
    assert case.config.num_layers == 2 and case.call.dropout
    assert (case.call.batch, case.call.steps) == (1, 1)
    assert "gradients of" in message


def test_a_case_can_be_asked_alone() -> None:
    case = next(template for template in spec.suites()["smoke"] if template.name == "plain")
    found = verify_case(numpy_backend, spec, case, "float32", properties=["gradients", "jacobian"])
    assert {(v.property, v.outcome) for v in found} == {("gradients", "passed"), ("jacobian", "passed")}
    assert {v.target for v in found} == {"numpy/eager/cpu/float32"}
    assert {v.replay for v in found} == {""}


def test_a_property_that_does_not_apply_has_no_verdict() -> None:
    case = next(template for template in spec.suites()["smoke"] if template.name == "no-bias")
    assert verify_case(numpy_backend, spec, case, "float64", properties=["jacobian"]) == ()


@pytest.mark.parametrize(
    ("dtype", "properties", "message"),
    [
        ("bfloat16", ["values"], "numpy does not offer lstm in bfloat16"),
        ("float64", ["gradient"], "there is no property `gradient`: .* did you mean `gradients`"),
    ],
)
def test_a_case_that_cannot_be_asked_is_refused(dtype: str, properties: list[str], message: str) -> None:
    case = spec.suites()["smoke"][0]
    with pytest.raises(UsageError, match=message):
        verify_case(numpy_backend, spec, case, dtype, properties=properties)


# --- what is drawn ---------------------------------------------------------------------------------------------

# Regimes whose numbers a 16-bit dtype still tells apart: `tiny` and `underflow` are rounded to a few subnormals or to
# zero in float16, `zeros` and `sparse` leave some rows a single number of a few hundred that bfloat16 has near 1.
DISTINCT = tuple(regime for regime in spec.regimes if regime not in ("tiny", "underflow", "zeros", "sparse"))


def coherent(case: CaseTemplate, dtype: str) -> list[str]:
    """Return the tensors of data that have two equal rows, or two equal steps of all rows, once rounded to a dtype."""
    built = build(spec, "", case, dtype)
    found = []
    for name in ("x", "h0", "c0"):
        if name not in built.tensors or 0 in built.tensors[name].shape:
            continue
        array = built.tensors[name].astype(np.float64)
        rows = [array.reshape(-1, array.shape[-1])] if name == "x" else list(array)  # every step of every sample
        found += [name for held in rows if len(np.unique(held, axis=0)) < len(held)]
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_two_rows_and_no_two_steps_that_are_drawn_are_equal(dtype: str) -> None:
    @settings(few, max_examples=200)
    @given(case=searched(FEATURES, ()))
    def holds(case: CaseTemplate) -> None:
        assert not coherent(case, dtype)

    holds()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_nor_in_16_bits_where_a_row_has_numbers_enough(dtype: str) -> None:
    """Two numbers of 8 bits can be drawn alike: four features and as wide a state are apart."""

    @settings(few, max_examples=200)
    @given(case=searched(FEATURES, DISTINCT))
    def holds(case: CaseTemplate) -> None:
        config = msgspec.structs.replace(case.config, input_size=4, hidden_size=4, projection=0)
        assert not coherent(replace(case, config=config), dtype)

    holds()


def test_where_8_bits_are_too_few_for_a_row_of_one() -> None:
    """What the tests above leave out does happen: 64 samples of one feature, in bfloat16; and its finder can fail."""
    narrow = CaseTemplate("narrow", LSTM(1, 1), Call(64, 6), "unit", 3)
    assert "x" in coherent(narrow, "bfloat16") and not coherent(narrow, "float64")


def test_every_regime_and_every_feature_is_drawn() -> None:
    regimes: set[str] = set()
    features: set[str] = set()
    sizes: set[str] = set()

    @settings(few, max_examples=400)
    @given(case=searched(FEATURES, ()))
    def look(case: CaseTemplate) -> None:
        regimes.add(case.regime)
        features.update(spec.features(case.config, case.call))
        large = {"hidden": case.config.hidden_size, "batch": case.call.batch, "steps": case.call.steps}
        beyond = [name for name, size in large.items() if size > SMALL[name]]
        sizes.update(beyond)
        assert len(beyond) <= 1, "two large sizes at once are slow to certify"

    look()
    assert regimes == set(spec.regimes)
    assert features == FEATURES
    assert sizes == set(TILES)


def test_only_what_is_offered_and_asked_for_is_drawn() -> None:
    assert spec.strategy is not None

    @few
    @given(case=spec.strategy(frozenset({"layers", "ragged"}), ("saturated", "huge")))
    def holds(case: CaseTemplate) -> None:
        assert spec.features(case.config, case.call) <= {"layers", "ragged"}
        assert case.regime in ("saturated", "huge")

    holds()


def test_a_spec_is_imported_without_hypothesis() -> None:
    code = "import sys; from gradassay_lstm import spec; assert spec.strategy; print('hypothesis' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_state_that_passes_through_unchanged_has_the_smallest_noise_unit_there_is() -> None:
    """With no steps h_n is h0, without rounding: float64's range does not hold h0 / sigma, and any error is seen."""
    case = CaseTemplate("through", LSTM(input_size=1, hidden_size=16), Call(batch=64, steps=0), "spiky", 1)
    found = verify_case(numpy_backend, spec, case, "float64", oracle=oracle)
    assert {verdict.outcome for verdict in found} == {"passed"}
    (h_n,) = (v for v in found if v.property == "values" and v.tensor == "h_n")
    assert h_n.visible_whole is not None and 0.0 < h_n.visible_whole < 1e-300

"""What all bundled backends offer, as data: features from one home, and variants that say what proves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradassay import _plugins
from gradassay._spec import Spec
from gradassay_lstm._features import FEATURES

LOADED, BROKEN = _plugins.load_all(_plugins.backends().values())
BUNDLED = [backend for name, backend in LOADED.items() if name.startswith(("torch", "jax", "tensorflow", "numpy"))]


def test_features_are_read_without_numpy_and_without_the_equations() -> None:
    program = """
import sys
from gradassay_lstm._features import FEATURES
print(sorted(name for name in sys.modules if name.startswith(("numpy", "msgspec", "gradassay"))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "['gradassay_lstm', 'gradassay_lstm._features']"), done.stderr


def test_features_are_listed_once() -> None:
    sources = sorted(Path(__file__).parents[1].glob("backends/*/gradassay_*/*.py"))
    assert len(sources) > 20
    again = [path.name for path in sources if sum(f'"{feature}"' in path.read_text() for feature in FEATURES) > 7]
    assert again == []


def features_of(name: str) -> frozenset[str]:
    """Return what offers of a spec may name: the LSTM's words, and those that cases of the spec have."""
    spec: Spec[Any, Any] = _plugins.find("spec", name).load()
    asked = (spec.features(one.config, one.call) for suite in spec.suites().values() for one in suite)
    return FEATURES.union(*asked)


@pytest.mark.parametrize("backend", BUNDLED, ids=lambda backend: backend.name)
def test_offers_name_features_that_there_are(backend: object) -> None:
    assert not BROKEN
    for offer in backend.offers:  # type: ignore[attr-defined]  # a backend
        known = features_of(offer.spec)
        assert offer.features <= known, offer.spec
        assert all(gap.features <= known for gap in offer.gaps), offer.spec
        modes = {mode.name for mode in offer.modes}
        assert all(gap.modes <= modes for gap in offer.gaps)
        assert all(mode.evidence for mode in offer.modes)
        own = _plugins.find("spec", offer.spec).load().properties
        assert offer.promises <= {one.promise for one in own}, offer.spec  # which hold it to them

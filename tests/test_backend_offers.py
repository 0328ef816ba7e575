"""What all bundled backends offer, as data: features from one home, and variants that say what proves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradassay import _plugins
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


@pytest.mark.parametrize("backend", BUNDLED, ids=lambda backend: backend.name)
def test_offers_name_features_that_there_are(backend: object) -> None:
    assert not BROKEN
    for offer in backend.offers:  # type: ignore[attr-defined]  # a backend
        assert offer.features <= FEATURES
        assert all(gap.features <= FEATURES for gap in offer.gaps)
        modes = {mode.name for mode in offer.modes}
        assert all(gap.modes <= modes for gap in offer.gaps)
        assert all(mode.evidence for mode in offer.modes)
        assert not offer.promises or offer.spec == "lstm"  # whose property holds it to them

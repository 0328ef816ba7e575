"""What is known to be wrong in frameworks, so that nobody takes it for a correct implementation."""

from __future__ import annotations

from collections.abc import Mapping

KNOWN_WRONG: Mapping[tuple[str, str], str] = {  # (backend, dtype) -> the finding: these are no correct implementations
    ("jax", "float16"): "reports/findings/jax-float16-sigmoid.md",
}

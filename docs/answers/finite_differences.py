"""The error of central differences against the certified truth, over eleven decades of steps, and the best step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

import certified

STEPS = [10 ** (-k / 8) for k in range(8, 97)]  # 1e-1 to 1e-12
TRUNCATION = 1e-2  # a step at which float64 shows nothing but truncation


@dataclass(frozen=True)
class Curve:
    """|differences - df/dx| / |df/dx| over all elements of x, by step.

    Args:
        measured: at each of `STEPS`.
        truncation, rounding: of what is expected, truncation h^2 + rounding / h.
    """

    measured: tuple[float, ...]
    truncation: float
    rounding: float

    @property
    def best(self) -> float:
        """The step at which the least error was measured."""
        return STEPS[int(np.argmin(self.measured))]

    @property
    def formula(self) -> float:
        """The step at which what is expected has its minimum: (R / 2T)^(1/3)."""
        return float((self.rounding / (2 * self.truncation)) ** (1 / 3))

    def expected(self, step: float) -> float:
        return self.truncation * step**2 + self.rounding / step


def error(dtype: str, step: float) -> float:
    """Move one element of x at a time by `step` up and down, in torch."""
    to = getattr(torch, dtype)
    lstm = torch.nn.LSTM(3, 4, batch_first=True, dtype=to)
    lstm.load_state_dict({name: torch.tensor(w) for name, w in certified.weights.items()})
    x, v, dx = (torch.tensor(a, dtype=to) for a in (certified.x, certified.v, certified.truth))
    moved = step * torch.eye(x.numel(), dtype=to).reshape(-1, *x.shape[1:])
    with torch.no_grad():
        up, down = ((lstm(x + d)[0] * v).sum((1, 2)) for d in (moved, -moved))
    return float(((up - down).reshape(x.shape) / (2 * step) - dx).norm() / dx.norm())


def curves() -> dict[str, Curve]:
    """Return what was measured and what is expected, by dtype. The noise of f is Gradassay's, known beforehand."""
    truncation = error("float64", TRUNCATION) / TRUNCATION**2
    per_element = np.sqrt(certified.truth.size / 2) / np.linalg.norm(certified.truth)  # of a difference of two f
    return {
        dtype: Curve(tuple(error(dtype, step) for step in STEPS), truncation, float(noise * per_element))
        for dtype, noise in certified.noise.items()
    }


if __name__ == "__main__":
    for dtype, curve in curves().items():
        print(
            f"{dtype}: best at {curve.best:.0e}, error {min(curve.measured):.0e}; by the formula",
            end=" ",
        )
        print(f"at {curve.formula:.0e}, error {curve.expected(curve.formula):.0e}")

"""Prints how far the float32 sigmoid of each framework is from exact, and to which side.

python reports/accuracy/sigmoid.py
"""

from __future__ import annotations

import jax
import numpy as np
import tensorflow as tf
import torch

POINTS, REACH, ROUNDOFF = 200_000, 4.0, 2.0**-24


def main() -> None:
    x = np.random.default_rng(0).uniform(-REACH, REACH, POINTS).astype(np.float32)
    exact = 1.0 / (1.0 + np.exp(-x.astype(np.float64)))  # float64 is exact, beside float32
    found = {
        "TensorFlow": tf.sigmoid(x).numpy(),
        "JAX": np.asarray(jax.nn.sigmoid(x)),
        "torch": torch.sigmoid(torch.from_numpy(x)).numpy(),
        "NumPy": np.float32(1.0) / (np.float32(1.0) + np.exp(-x)),
    }
    print(f"float32 sigmoid of {POINTS:,} uniform points from {-REACH:.0f} to {REACH:.0f}, error in unit roundoffs")
    print("              mean     RMS")
    for name, got in found.items():
        error = (got.astype(np.float64) - exact) / exact / ROUNDOFF
        print(f"{name:12} {error.mean():5.2f}   {np.sqrt(np.mean(error**2)):5.2f}")


if __name__ == "__main__":
    main()

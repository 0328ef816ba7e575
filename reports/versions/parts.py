"""What an LSTM is made of, in the framework that is installed here: how far it is from exact, and which bits it gives.

    python reports/versions/parts.py >> reports/versions/parts.csv

A line each: framework, version, part, dtype, largest and RMS error in unit roundoffs, and a hash of every bit.
"""

from __future__ import annotations

import csv
import hashlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from flint import arb, ctx

HEAD = ("framework", "version", "part", "dtype", "largest", "rms", "bits")
ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}
POINTS = 4000
EXACT: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: x.tanh(),
    "exp": lambda x: x.exp(),
}


def parts() -> tuple[str, str, dict[str, Callable[..., Any]]]:
    """Return the framework, its version, and its parts as functions of NumPy arrays."""
    for name, package in (("jax", "jax"), ("tensorflow", "tensorflow-cpu"), ("tensorflow", "tensorflow")):
        try:
            return name, version(package), {"jax": of_jax, "tensorflow": of_tensorflow}[name]()
        except PackageNotFoundError:
            continue
    functions = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "exp": np.exp}
    return "numpy", version("numpy"), functions | {"product": lambda a, b: a @ b.T, "sum": lambda c: c.sum(axis=0)}


def of_jax() -> dict[str, Callable[..., Any]]:
    os.environ["JAX_ENABLE_X64"] = "1"
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")
    functions = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "exp": jnp.exp}
    functions |= {"product": lambda a, b: a @ b.T, "sum": lambda c: c.sum(axis=0)}
    return {name: jax.jit(function) for name, function in functions.items()}


def of_tensorflow() -> dict[str, Callable[..., Any]]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    return {
        "sigmoid": tf.sigmoid,
        "tanh": tf.tanh,
        "exp": tf.exp,
        "product": lambda a, b: tf.matmul(a, b, transpose_b=True),
        "sum": lambda c: tf.reduce_sum(c, axis=0),
    }


def errors(part: str, got: Any, *given: Any) -> Any:
    """Errors relative to the value, or of a sum to its terms' magnitudes; exact by balls, or in 64-bit significands."""
    if part in EXACT:
        exact = [EXACT[part](arb(float(x))) for x in given[0]]
        return np.array([abs(float((arb(float(g)) - e) / e)) for g, e in zip(got, exact, strict=True)])
    wide = [x.astype(np.longdouble) for x in given]
    sure, size = (
        (wide[0] @ wide[1].T, abs(wide[0]) @ abs(wide[1]).T)
        if part == "product"
        else (wide[0].sum(axis=0), abs(wide[0]).sum(axis=0))
    )
    return np.asarray(abs(got - sure) / size, dtype=np.float64)


def main() -> None:
    ctx.prec = 160
    framework, number, functions = parts()
    rows = csv.writer(sys.stdout, lineterminator="\n")
    for dtype, roundoff in ROUNDOFF.items():
        words = np.random.Generator(np.random.Philox(7))
        points = words.uniform(-8, 8, POINTS).astype(dtype)
        a, b, c = (words.uniform(-1, 1, shape).astype(dtype) for shape in ((5, 7), (28, 7), (60, 28)))
        for part, given in {**dict.fromkeys(EXACT, (points,)), "product": (a, b), "sum": (c,)}.items():
            got = np.asarray(functions[part](*given))
            found = errors(part, got, *given) / roundoff
            bits = hashlib.sha256(got.tobytes()).hexdigest()[:6]
            rms = float(np.sqrt(np.mean(np.square(found))))
            rows.writerow([framework, number, part, dtype, f"{found.max():.2f}", f"{rms:.2f}", bits])


if __name__ == "__main__":
    main()

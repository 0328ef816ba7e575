"""THE limits, unit roundoffs and smallest magnitudes: one table. Nothing here is ever widened for a backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

VERSION = "1"

SAMPLES = 32  # K: noise samples, and the degrees of freedom of the limit on the largest z
FALSE_ALARM = 1e-6  # two-sided probability per verdict, were z distributed as t with K degrees of freedom
RMS_LIMIT = 4.0
RMS_FROM = 16  # elements: below that the root mean square says no more than the maximum
BLIND = 1 / 16  # rms(sigma) / rms(truth) at the simulated roundoff, above which z means nothing
RADIUS = 2.0**-10  # largest radius of the truth, in units of that element's sigma


@dataclass(frozen=True)
class Precision:
    """How a dtype rounds. `floor` is the smallest error that a correct result may have at any magnitude.

    CPUs flush float32's subnormals in some frameworks (JAX, TensorFlow) and nobody flushes float16's.
    `simulate` are the roundoffs at which noise is drawn in float64, tried in turn until it is not blind.
    """

    roundoff: float
    floor: float
    largest: float
    simulate: tuple[float, ...]


PRECISIONS: dict[str, Precision] = {
    "float64": Precision(2.0**-53, 2.0**-1022, (2 - 2.0**-52) * 2.0**1023, (2.0**-30, 2.0**-37, 2.0**-44)),
    "float32": Precision(2.0**-24, 2.0**-126, (2 - 2.0**-23) * 2.0**127, (2.0**-24,)),
    "bfloat16": Precision(2.0**-8, 2.0**-126, (2 - 2.0**-7) * 2.0**127, (2.0**-8,)),
    "float16": Precision(2.0**-11, 2.0**-24, 65504.0, (2.0**-11,)),
}


@lru_cache(maxsize=4096)
def max_limit(elements: int) -> float:
    """Largest |z| allowed among n elements: 2 t_32(1e-6/n, two-sided); 12, 15, 19, 23 at n = 1, 1e2, 1e4, 1e6."""
    return 2.0 * t_quantile(FALSE_ALARM / max(elements, 1), SAMPLES)


def t_quantile(probability: float, freedom: int) -> float:
    """The t beyond which both tails of Student's distribution hold `probability`, by bisection of `t_tails`."""
    low, high = 0.0, 1.0
    while t_tails(high, freedom) > probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tails(middle, freedom) > probability else (low, middle)
    return high


def t_tails(t: float, freedom: int) -> float:
    """P(|T| > t) = I_x(nu/2, 1/2) with x = nu/(nu + t^2), by its power series (Abramowitz and Stegun 26.5.4)."""
    a, b = freedom / 2, 0.5
    x = freedom / (freedom + t * t)
    if x == 1.0:
        return 1.0
    term = total = 1.0
    n = 0
    while term > 1e-17 * total:
        term *= x * (a + b + n) / (a + 1 + n)
        total += term
        n += 1
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a * total

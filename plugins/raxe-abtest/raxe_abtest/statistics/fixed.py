"""Tests and intervals for an experiment that is looked at once, at its planned size."""

from __future__ import annotations

import math
from typing import NamedTuple

from raxe_abtest.statistics.special import (
    normal_quantile,
    normal_sf2,
    student_quantile,
    student_sf2,
)

__all__ = [
    "Test",
    "agresti_caffo",
    "fisher",
    "holm",
    "mcnemar_exact",
    "newcombe",
    "pooled_z",
    "two_proportions",
    "welch",
    "wilson",
]


class Test(NamedTuple):
    """A fixed-horizon test: the difference b - a, its interval and p-value, and the method.

    ``interval`` is None where the data cannot give one; ``note`` says why.
    """

    method: str
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float
    note: str = ""


def pooled_z(a: int, n_a: int, b: int, n_b: int) -> tuple[float, float]:
    """Return z and the two-sided p of b/n_b against a/n_a; 0 and 1 where nothing varies."""
    p = (a + b) / (n_a + n_b)
    se = math.sqrt(p * (1 - p) * (1 / n_a + 1 / n_b))
    if se == 0:
        return 0.0, 1.0
    z = (b / n_b - a / n_a) / se
    return z, normal_sf2(z)


def wilson(x: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (1927)."""
    z = normal_quantile(1 - alpha / 2)
    p, z2 = x / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def newcombe(a: int, n_a: int, b: int, n_b: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return Newcombe's hybrid score interval of b/n_b - a/n_a (1998, method 10)."""
    p_a, p_b = a / n_a, b / n_b
    (low_a, high_a), (low_b, high_b) = wilson(a, n_a, alpha), wilson(b, n_b, alpha)
    d = p_b - p_a
    return (
        d - math.sqrt((p_b - low_b) ** 2 + (high_a - p_a) ** 2),
        d + math.sqrt((high_b - p_b) ** 2 + (p_a - low_a) ** 2),
    )


def agresti_caffo(a: int, n_a: int, b: int, n_b: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return Agresti and Caffo's interval of b/n_b - a/n_a (2000): one more of each outcome."""
    p_a, p_b = (a + 1) / (n_a + 2), (b + 1) / (n_b + 2)
    half = normal_quantile(1 - alpha / 2) * math.sqrt(
        p_a * (1 - p_a) / (n_a + 2) + p_b * (1 - p_b) / (n_b + 2)
    )
    return max(-1.0, p_b - p_a - half), min(1.0, p_b - p_a + half)


def fisher(a: int, n_a: int, b: int, n_b: int) -> float:
    """Return Fisher's exact two-sided p: all tables no likelier than the one that was seen."""
    total, successes = n_a + n_b, a + b
    low, high = max(0, successes - n_b), min(n_a, successes)
    if low == high:
        return 1.0
    whole = _log_choose(total, successes)
    logs = [
        _log_choose(n_a, x) + _log_choose(n_b, successes - x) - whole for x in range(low, high + 1)
    ]
    seen = logs[a - low]
    return min(1.0, math.fsum(math.exp(value) for value in logs if value <= seen + 1e-7))


def two_proportions(a: int, n_a: int, b: int, n_b: int, alpha: float = 0.05) -> Test:
    """Compare b/n_b with a/n_a: pooled z, or Fisher's test where a cell or the total is small."""
    if not n_a or not n_b:
        return Test("none", None, None, 1.0, "an arm has no outcomes")
    d, interval = b / n_b - a / n_a, newcombe(a, n_a, b, n_b, alpha)
    if n_a + n_b < 1000 or min(a, n_a - a, b, n_b - b) < 5:
        return Test("Fisher exact, Newcombe interval", d, interval, fisher(a, n_a, b, n_b))
    return Test("pooled z, Newcombe interval", d, interval, pooled_z(a, n_a, b, n_b)[1])


def welch(
    mean_a: float, sd_a: float, n_a: float, mean_b: float, sd_b: float, n_b: float,
    alpha: float = 0.05,
) -> Test:  # fmt: skip
    """Compare two means with unequal variances (Welch 1947, degrees of Satterthwaite 1946)."""
    d = mean_b - mean_a
    if n_a < 2 or n_b < 2:
        return Test("Welch t", d, None, 1.0, "an arm has fewer than two values")
    v_a, v_b = sd_a * sd_a / n_a, sd_b * sd_b / n_b
    if v_a + v_b == 0:
        return Test("Welch t", d, None, 1.0, "neither arm varies, so there is nothing to test with")
    df = (v_a + v_b) ** 2 / (v_a * v_a / (n_a - 1) + v_b * v_b / (n_b - 1))
    se = math.sqrt(v_a + v_b)
    half = student_quantile(1 - alpha / 2, df) * se
    return Test("Welch t", d, (d - half, d + half), student_sf2(d / se, df))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact p of paired outcomes (McNemar 1947); 1 without discordant pairs."""
    n = only_a + only_b
    tail = math.fsum(
        math.exp(_log_choose(n, x) - n * math.log(2)) for x in range(min(only_a, only_b) + 1)
    )
    return min(1.0, 2 * tail)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method (1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

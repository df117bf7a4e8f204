"""Distribution functions, so that a report needs no scientific library.

Checked against scipy to 1e-12 in the tests.
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = [
    "beta_inc",
    "chi2_sf",
    "lambert_w_minus_1",
    "log_beta",
    "normal_cdf",
    "normal_quantile",
    "normal_sf2",
    "student_quantile",
    "student_sf2",
]

_NORMAL = NormalDist()
_TINY = 1e-300


def normal_cdf(x: float) -> float:
    """Return P(Z <= x)."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_sf2(z: float) -> float:
    """Return the two-sided p-value of ``z``."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """Return the ``p`` quantile of the normal distribution, for p inside (0, 1)."""
    return _NORMAL.inv_cdf(p)


def log_beta(a: float, b: float) -> float:
    """Return ln B(a, b)."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def beta_inc(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_inc(b, a, 1 - x)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b)) / a
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + step * d)
            c = _away(1 + step / c)
            value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * value


def student_sf2(t: float, df: float) -> float:
    """Return the two-sided p-value of ``t`` with ``df`` degrees of freedom."""
    return beta_inc(df / 2, 0.5, df / (df + t * t))


def student_quantile(p: float, df: float) -> float:
    """Return the ``p`` quantile of Student's t for p above one half, by bisection."""
    low, high = 0.0, 1.0
    while student_sf2(high, df) / 2 > 1 - p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if student_sf2(middle, df) / 2 > 1 - p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def chi2_sf(x: float, df: int) -> float:
    """Return P(chi-squared with ``df`` degrees of freedom > x)."""
    if x <= 0:
        return 1.0
    a, half = df / 2, x / 2
    front = math.exp(a * math.log(half) - half - math.lgamma(a))
    if half < a + 1:  # the series of the lower function
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-17:
            n += 1
            term *= half / n
            total += term
        return 1 - front * total
    b = half + 1 - a  # the continued fraction of the upper one
    c, d = 1 / _TINY, 1 / b
    value = d
    for i in range(1, 10_000):
        b += 2
        d = 1 / _away(-i * (i - a) * d + b)
        c = _away(b - i * (i - a) / c)
        value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * value


def lambert_w_minus_1(x: float) -> float:
    """Return the lower branch of Lambert's W for x inside (-1/e, 0), by Newton's method."""
    w = math.log(-x) - math.log(-math.log(-x))
    for _ in range(100):
        power = math.exp(w)
        step = (w * power - x) / (power * (1 + w))
        w -= step
        if abs(step) < 1e-15 * abs(w):
            break
    return w


def _away(x: float) -> float:
    return x if abs(x) > _TINY else _TINY

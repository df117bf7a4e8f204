"""Distribution functions: what the standard library has, and scipy, imported when it is needed."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = [
    "chi2_sf",
    "log_beta",
    "normal_cdf",
    "normal_quantile",
    "normal_sf2",
    "student_quantile",
    "student_sf2",
]

_NORMAL = NormalDist()


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


def student_sf2(t: float, df: float) -> float:
    """Return the two-sided p-value of ``t`` with ``df`` degrees of freedom."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(t)))


def student_quantile(p: float, df: float) -> float:
    """Return the ``p`` quantile of Student's t with ``df`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def chi2_sf(x: float, df: int) -> float:
    """Return P(chi-squared with ``df`` degrees of freedom > x)."""
    from scipy.special import chdtrc

    return float(chdtrc(df, max(x, 0.0)))

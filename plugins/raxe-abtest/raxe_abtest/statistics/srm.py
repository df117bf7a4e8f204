"""Sample ratio mismatch: whether as many users came into each arm as should have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raxe_abtest.statistics.special import chi2_sf

__all__ = ["SRM_ALARM", "chi_squared", "log_e_split"]

SRM_ALARM = math.log(1000)  # an alarm at alpha = 0.001
CONCENTRATION = 1000.0


def log_e_split(users: Sequence[float], shares: Sequence[float]) -> float:
    """Return ln e against the split: a Dirichlet-multinomial Bayes factor, valid at every look.

    Lindon and Malek (arXiv 2011.03567), as in the package ssrm-test, concentration 1000.
    """
    pairs = [(x, w) for x, w in zip(users, shares, strict=True) if w > 0]
    if sum(users) > sum(x for x, _ in pairs):
        return math.inf  # users in an arm that nobody can come into
    n, k = sum(x for x, _ in pairs), CONCENTRATION
    value = math.lgamma(k) - math.lgamma(k + n)
    for x, w in pairs:
        value += math.lgamma(k * w + x) - math.lgamma(k * w) - x * math.log(w)
    return value


def chi_squared(users: Sequence[float], shares: Sequence[float]) -> float:
    """Return the p-value of Pearson's test, valid when looked at once; 1 without users."""
    n = sum(users)
    if not n or len(users) < 2:
        return 1.0
    value = sum((x - n * w) ** 2 / (n * w) for x, w in zip(users, shares, strict=True) if w > 0)
    return chi2_sf(value, len(users) - 1)

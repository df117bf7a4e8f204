"""Intervals and tests for proportions and quantiles, from counts; plain Python, no random numbers.

Every interval is two-sided at ``LEVEL`` (95 %) unless a level is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

__all__ = [
    "FEW",
    "LEVEL",
    "Interval",
    "difference_of_independent",
    "few_interval",
    "holm",
    "hull",
    "mcnemar_exact",
    "normal_quantile",
    "paired_difference",
    "paired_equivalence",
    "quantile_interval",
    "quantile_ranks",
    "wilson",
]

LEVEL = 0.95
FEW = 10
"""With fewer prompts of a class, its resamples tell too little of how much they might vary."""
_EXACT_BELOW = 1_000
_NORMAL = NormalDist()


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal value lies within +-z with probability ``level``."""
    return _NORMAL.inv_cdf(0.5 + level / 2)


def wilson(successes: float, trials: int, level: float = LEVEL) -> Interval | None:
    """Return Wilson's score interval of a proportion (Wilson 1927); None without a trial."""
    if not trials:
        return None
    z = normal_quantile(level)
    share, z2 = successes / trials, z * z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    half /= 1 + z2 / trials
    # At the limits the sum is exact only without rounding.
    low = max(0.0, centre - half) if successes else 0.0
    return Interval(low, min(1.0, centre + half) if successes < trials else 1.0)


def few_interval(mean: float, prompts: int) -> Interval:
    """Return Wilson's interval of the mean of a few values from 0 to 1.

    No values of this mean vary more than zeros and ones, so it is too wide rather than too narrow.
    """
    found = wilson(mean * prompts, prompts)
    assert found is not None
    return found


def hull(one: Interval, other: Interval) -> Interval:
    """Return the smallest interval that holds both."""
    return Interval(min(one.low, other.low), max(one.high, other.high))


def paired_difference(gained: int, lost: int, pairs: int, level: float = LEVEL) -> Interval:
    """Return the interval of a paired difference of proportions, (gained - lost) / pairs.

    ``gained`` counts the pairs where only the second is right, ``lost`` those where only the first
    is. Wald with half a count added to each of the four cells (Agresti and Min 2005).
    """
    gained_, lost_, total = gained + 0.5, lost + 0.5, pairs + 2
    difference = (gained_ - lost_) / total
    spread = math.sqrt(gained_ + lost_ - (gained_ - lost_) ** 2 / total) / total
    half = normal_quantile(level) * spread
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))


def difference_of_independent(
    first: float, of_first: Interval, second: float, of_second: Interval
) -> Interval:
    """Return the interval of ``second - first`` from the interval of each (MOVER, Zou 2008)."""
    difference = second - first
    below = math.hypot(second - of_second.low, of_first.high - first)
    above = math.hypot(of_second.high - second, first - of_first.low)
    return Interval(difference - below, difference + above)


def mcnemar_exact(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: a fair coin over discordant pairs."""
    n, k = gained + lost, min(gained, lost)
    if n < _EXACT_BELOW:
        tail = sum(math.comb(n, i) for i in range(k + 1)) / (1 << n)
    else:
        tail = _coin_tail(n, k)
    return min(1.0, 2 * tail)


def _coin_tail(n: int, k: int) -> float:
    """Return P(X <= k) for n fair coins, k at most n / 2: terms from the middle one downwards.

    Each is the ratio of neighbours times the one before; the middle one is Stirling's series, whose
    error is of the order of 1 / m^4.
    """
    m = (n + 1) // 2
    term = (1 - 1 / (8 * m) + 1 / (128 * m**2) + 5 / (1024 * m**3)) / math.sqrt(math.pi * m)
    tail = 0.0
    for i in range(n // 2, -1, -1):
        if i <= k:
            tail += term
        if term <= max(1e-17 * tail, 1e-300):
            break
        term *= i / (n - i + 1)
    return tail


def paired_equivalence(gained: int, lost: int, pairs: int, margin: float) -> float | None:
    """Return the p-value of "the proportions differ by less than ``margin``" (TOST, z).

    The larger of two one-sided p-values, the spread estimated from the pairs (Schuirmann 1987).
    Where few pairs are discordant that spread is too small, so it is at least the probability of
    so small a difference if each pair were won with the probability ``margin`` and none lost.
    None with fewer than two pairs.
    """
    if pairs < 2:
        return None
    net = abs(gained - lost)
    variance = (gained + lost - net**2 / pairs) / (pairs - 1) / pairs
    if net / pairs >= margin and variance <= 0:
        return 1.0
    z = (margin - net / pairs) / math.sqrt(variance) if variance > 0 else math.inf
    p = math.erfc(z / math.sqrt(2)) / 2
    if z <= 0:
        return p
    least = math.fsum(math.exp(_log_binomial_pmf(i, pairs, margin)) for i in range(net + 1))
    return max(p, min(1.0, least))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def quantile_interval(
    ordered: Sequence[float], share: float, level: float = LEVEL
) -> Interval | None:
    """Return the interval of a quantile from sorted values, whatever their distribution.

    The ends are order statistics: the number of values below the quantile is binomial (Conover
    1999, section 3.2). None where there are too few values for it.
    """
    low, high = quantile_ranks(len(ordered), share, level)
    if low < 0 or high >= len(ordered):
        return None
    return Interval(ordered[low], ordered[high])


def quantile_ranks(n: int, share: float, level: float) -> tuple[int, int]:
    """Return the positions of the ends among n sorted values; -1 or n where there is no such."""
    if not n:
        return -1, 0
    alpha = (1 - level) / 2
    return _binomial_quantile(alpha, n, share) - 1, _binomial_quantile(1 - alpha, n, share)


def _binomial_quantile(probability: float, n: int, share: float) -> int:
    """Return the smallest k with P(X <= k) >= probability."""
    mean, spread = n * share, math.sqrt(n * share * (1 - share))
    k = max(0, math.floor(mean - 12 * spread - 12))
    total = math.exp(_log_binomial_pmf(k, n, share))
    while total < probability and k < n:
        k += 1
        total += math.exp(_log_binomial_pmf(k, n, share))
    return k


def _log_binomial_pmf(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(share) + (n - k) * math.log1p(-share)

"""The 95th percentile of latency: from a histogram, valid at every look, and by user.

Latencies are counted in buckets whose width is half a percent of their value (DDSketch, Masson,
Rim and Lee, VLDB 2019), so sketches of many processes add up; what the buckets hide is added to
the interval. Rank intervals are Woodruff's (1952) with the anytime multiplier, widened by how
alike one user's requests are (Deng, Knoblich and Lu, KDD 2018), and two arms are combined by MOVER
(Zou and Donner, 2008) on the logarithm, so the difference is a ratio.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from raxe_abtest.statistics.sequential import (
    log_e_binomial,
    log_e_mean,
    multiplier,
    rho_squared,
)  # fmt: skip
from raxe_abtest.statistics.special import normal_quantile
from raxe_abtest.statistics.sums import Effect, Sums, effective_size

__all__ = [
    "ACCURACY",
    "Quantile",
    "Ratio",
    "bucket_of",
    "bucket_value",
    "cluster_icc",
    "design_effect",
    "icc_of",
    "quantile",
    "quantile_ratio",
    "quantile_sequence",
]

ACCURACY = 0.0025  # a bucket's middle is at most this share away from the latencies in it
_LOG_GAMMA = math.log((1 + ACCURACY) / (1 - ACCURACY))
_SMALLEST = 1e-3  # one microsecond, in milliseconds; what is faster counts as this


class Quantile(NamedTuple):
    """An arm's quantile; ``low`` and ``high`` bound it at a multiplier, None where too few."""

    value: float
    low: float | None
    high: float | None


class Ratio(NamedTuple):
    """ln(b/a) of two quantiles: effect on the log scale, interval, and evidence."""

    effect: Effect
    low: float
    high: float
    log_e: float


def bucket_of(latency_ms: float) -> int:
    """Return the number of the bucket that counts this latency."""
    return math.ceil(math.log(max(latency_ms, _SMALLEST)) / _LOG_GAMMA)


def bucket_value(bucket: int) -> float:
    """Return the middle of a bucket."""
    return math.exp(bucket * _LOG_GAMMA) * (1 - ACCURACY)


def design_effect(icc: float, m: float, mm: float) -> float:
    """Return how much the variance grows because users send several requests (Kish 1965)."""
    return max(1.0, 1 + icc * (mm / m - 1)) if m > 0 else 1.0


def cluster_icc(per_user: Iterable[Sequence[float]], threshold: float) -> float:
    """Return how alike one user's answers to ``latency <= threshold`` are, 0 to 1."""
    total = Sums()
    for latencies in per_user:
        s, m = float(sum(value <= threshold for value in latencies)), float(len(latencies))
        total = total.plus(Sums(1, s, m, s * s, s * m, m * m))
    return icc_of(total)


def icc_of(sums: Sums) -> float:
    """Return how alike one user's answers to a yes-or-no question are, from sums over users."""
    mu, variance = sums.mean, sums.variance()
    if mu is None or variance is None or sums.mm <= sums.m or not 0 < mu < 1:
        return 0.0
    growth = variance * sums.m / (mu * (1 - mu))
    return min(1.0, max(0.0, (growth - 1) / (sums.mm / sums.m - 1)))


def quantile(
    histogram: Sequence[tuple[int, float]], q: float, factor: float = 0.0, deff: float = 1.0
) -> Quantile | None:
    """Return the ``q`` quantile of sorted ``(bucket, count)`` pairs, bounded at ``factor`` se.

    Below ``4q/(1-q)`` effective requests (76 at p95) nothing is said.
    """
    seen = list(accumulate(count for _, count in histogram))
    n = seen[-1] if seen else 0.0
    if n / deff < 4 * q / (1 - q):
        return None
    width = factor * math.sqrt(q * (1 - q) * deff / n)
    value, low, high = _ranks(histogram, seen, (q, q - width, q + width))
    assert value is not None
    return Quantile(
        value,
        None if low is None else low * (1 - ACCURACY),
        None if high is None else high * (1 + ACCURACY),
    )


def quantile_ratio(
    a: Sequence[tuple[int, float]], b: Sequence[tuple[int, float]], q: float,
    users: tuple[float, float], deffs: tuple[float, float], planned: float, alpha: float = 0.05,
) -> Ratio | None:  # fmt: skip
    """Return ln(quantile b / quantile a) with its anytime interval; None where too few."""
    size = effective_size(*users)
    if not size:
        return None
    factor = multiplier(size, planned, alpha)
    left, right = quantile(a, q, factor, deffs[0]), quantile(b, q, factor, deffs[1])
    if left is None or right is None:
        return None
    (q_a, low_a, high_a), (q_b, low_b, high_b) = left, right
    if low_a is None or high_a is None or low_b is None or high_b is None:
        return None
    d = math.log(q_b / q_a)
    down = math.hypot(math.log(q_b / low_b), math.log(high_a / q_a))
    up = math.hypot(math.log(high_b / q_b), math.log(q_a / low_a))
    se = math.hypot(math.log(high_a / low_a), math.log(high_b / low_b)) / (2 * factor)
    effect = Effect(d, se, size)
    return Ratio(effect, d - down, d + up, log_e_mean(effect, planned, alpha))


def quantile_sequence(
    histogram: Sequence[tuple[int, float]], q: float, planned: float, alpha: float = 0.05
) -> tuple[float, float] | None:
    """Return the exact confidence sequence of one quantile; None where it has no upper end yet.

    Howard and Ramdas (Bernoulli 2022, arXiv 1906.09712): of n independent latencies, as many are
    below the quantile as a binomial draw with probability q says, tied or not. The ranks that a
    beta-binomial mixture does not rule out bound the quantile at every look.
    """
    seen = list(accumulate(count for _, count in histogram))
    n = seen[-1] if seen else 0.0
    k = max(1 / rho_squared(planned, alpha) - 1, 1e-3)
    limit = -math.log(alpha)

    def ruled_out(rank: int) -> bool:
        return log_e_binomial(rank, n - rank, q, k) >= limit

    middle = round(n * q)
    low = bisect_left(range(middle), True, key=lambda rank: not ruled_out(rank))
    high = middle + bisect_left(range(middle, int(n) + 1), True, key=ruled_out)  # first beyond
    bounds = _ranks(histogram, seen, (low / n, high / n)) if n else [None, None]
    if bounds[0] is None or bounds[1] is None:
        return None
    return bounds[0] * (1 - ACCURACY), bounds[1] * (1 + ACCURACY)


def fixed_interval(
    histogram: Sequence[tuple[int, float]], q: float, deff: float = 1.0, alpha: float = 0.05
) -> Quantile | None:
    """Return the quantile with Woodruff's interval, valid when looked at once."""
    return quantile(histogram, q, normal_quantile(1 - alpha / 2), deff)


def _ranks(
    histogram: Sequence[tuple[int, float]], seen: Sequence[float], ranks: tuple[float, ...]
) -> list[float | None]:
    """Return the values at these ranks (inverse of the distribution function), None outside.

    ``seen`` holds the running sums of the counts.
    """
    return [
        bucket_value(histogram[bisect_left(seen, math.ceil(seen[-1] * rank - 1e-9))][0])
        if 0 < rank < 1
        else None
        for rank in ranks
    ]

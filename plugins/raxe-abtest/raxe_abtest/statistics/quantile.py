"""The 95th percentile of latency: from a histogram, valid at every look, and by user.

Latencies are counted in buckets whose width is half a percent of their value (DDSketch, Masson,
Rim and Lee, VLDB 2019), so sketches of many processes add up; what the buckets hide is added to
the interval. Rank intervals are Woodruff's (1952) with the anytime multiplier, widened by how
alike one user's requests are (Deng, Knoblich and Lu, KDD 2018), and two arms are combined by MOVER
(Zou and Donner, 2008) on the logarithm, so the difference is a ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from raxe_abtest.statistics.sequential import log_e_mean, multiplier
from raxe_abtest.statistics.special import normal_quantile
from raxe_abtest.statistics.sums import Effect, effective_size

__all__ = [
    "ACCURACY",
    "Quantile",
    "Ratio",
    "bucket_of",
    "bucket_value",
    "cluster_icc",
    "design_effect",
    "quantile",
    "quantile_ratio",
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
    k = s = m = ss = sm = mm = 0.0
    for latencies in per_user:
        size = float(len(latencies))
        below = float(sum(value <= threshold for value in latencies))
        k, s, m = k + 1, s + below, m + size
        ss, sm, mm = ss + below * below, sm + below * size, mm + size * size
    if k < 2 or mm <= m or not 0 < s < m:
        return 0.0
    mu = s / m
    clustered = k / (k - 1) * (ss - 2 * mu * sm + mu * mu * mm)
    ratio = clustered / (mu * (1 - mu) * m)
    return min(1.0, max(0.0, (ratio - 1) / (mm / m - 1)))


def quantile(
    histogram: Sequence[tuple[int, float]], q: float, factor: float = 0.0, deff: float = 1.0
) -> Quantile | None:
    """Return the ``q`` quantile of sorted ``(bucket, count)`` pairs, bounded at ``factor`` se.

    Below ``4q/(1-q)`` effective requests (76 at p95) nothing is said.
    """
    n = sum(count for _, count in histogram)
    if n / deff < 4 * q / (1 - q):
        return None
    width = factor * math.sqrt(q * (1 - q) * deff / n)
    value, low, high = _ranks(histogram, n, (q, q - width, q + width))
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


def fixed_interval(
    histogram: Sequence[tuple[int, float]], q: float, deff: float = 1.0, alpha: float = 0.05
) -> Quantile | None:
    """Return the quantile with Woodruff's interval, valid when looked at once."""
    return quantile(histogram, q, normal_quantile(1 - alpha / 2), deff)


def _ranks(
    histogram: Sequence[tuple[int, float]], n: float, ranks: tuple[float, ...]
) -> list[float | None]:
    """Return the values at these ranks (inverse of the distribution function), None outside."""
    order = sorted((rank, number) for number, rank in enumerate(ranks))
    found: list[float | None] = [None] * len(ranks)
    entries, seen, position = iter(histogram), 0.0, 0
    bucket = None
    while position < len(order):
        rank, number = order[position]
        if not 0 < rank < 1:
            position += 1
        elif seen >= math.ceil(n * rank - 1e-9) and bucket is not None:
            found[number] = bucket_value(bucket)
            position += 1
        else:
            bucket, count = next(entries)
            seen += count
    return found

"""Bootstrap intervals in plain Python: quick, because they resample counts.

A statistic of a confusion table is resampled by drawing the table itself, a few binomial numbers a
time.
"""

from __future__ import annotations

import itertools
import math
import operator
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from raxe_core.evaluation.column import Column
from raxe_core.evaluation.statistics import LEVEL, Interval

__all__ = [
    "RESAMPLES",
    "LeftOut",
    "bca",
    "binomial",
    "block_quantiles",
    "count_acceleration",
    "count_distribution",
    "is_degenerate",
    "jackknife_acceleration",
    "one_each",
    "two_sided_p",
]

RESAMPLES = 2_000
MIN_RESAMPLES = 500
MAX_DRAWS = 4_000_000
SEED = 20_061
_NORMAL = NormalDist()
Statistic = Callable[[Sequence[int]], float]


class LeftOut(NamedTuple):
    """How many observations of a sample give each value when they are left out, one at a time."""

    numbers: Sequence[int]
    values: Sequence[float]


def one_each(values: Sequence[float]) -> LeftOut:
    """Return the values that one observation each gives."""
    return LeftOut(Column("B", itertools.repeat(1, len(values))), values)


def count_distribution(
    counts: Sequence[int], statistic: Statistic, resamples: int | None = None
) -> list[float]:
    """Return the statistic of tables drawn from the multinomial of ``counts``.

    There are ``RESAMPLES`` of them where no number is given.
    """
    generator = random.Random(SEED)  # noqa: S311  # reproducible on purpose
    return [statistic(_multinomial(generator, counts)) for _ in range(resamples or RESAMPLES)]


def jackknife_acceleration(samples: Iterable[LeftOut]) -> float:
    """Return the acceleration of BCa from leave-one-out values (Efron 1987), one per sample."""
    cubes = squares = 0.0
    for numbers, values in samples:
        n = sum(numbers)
        mean = math.fsum(map(operator.mul, numbers, values)) / n
        cubes += _moment(3, n, mean, numbers, values) / n**3
        squares += _moment(2, n, mean, numbers, values) / n**2
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _moment(
    power: int, n: int, mean: float, numbers: Sequence[int], values: Sequence[float]
) -> float:
    pairs = zip(numbers, values, strict=True)
    return math.fsum(number * ((n - 1) * (mean - value)) ** power for number, value in pairs)


def count_acceleration(counts: Sequence[int], statistic: Statistic) -> float:
    """Return the acceleration of a statistic of counts: one value per cell that is not empty."""
    filled = [cell for cell, number in enumerate(counts) if number]
    values = [statistic([n - (i == cell) for i, n in enumerate(counts)]) for cell in filled]
    return jackknife_acceleration([LeftOut([counts[cell] for cell in filled], values)])


def bca(
    estimate: float, distribution: Sequence[float], acceleration: float, level: float = LEVEL
) -> Interval:
    """Return the bias-corrected and accelerated interval (Efron 1987).

    Where all resamples agree, as they do for a figure at its limit, the bootstrap is blind: see
    :func:`is_degenerate`.
    """
    ordered = sorted(distribution)
    below = (bisect_left(ordered, estimate) + bisect_right(ordered, estimate)) / 2 / len(ordered)
    if not 0 < below < 1:
        return Interval(min(ordered[0], estimate), max(ordered[-1], estimate))
    bias, ends = _NORMAL.inv_cdf(below), []
    for share in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + _NORMAL.inv_cdf(share)
        ends.append(_NORMAL.cdf(bias + shifted / (1 - acceleration * shifted)))
    return Interval(_interpolated(ordered, ends[0]), _interpolated(ordered, ends[1]))


def is_degenerate(distribution: Sequence[float]) -> bool:
    """Tell whether all resamples agree, so that they say nothing of the uncertainty."""
    return min(distribution) == max(distribution)


def two_sided_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of "no difference" from resampled differences."""
    low = sum(value <= 0 for value in differences)
    high = sum(value >= 0 for value in differences)
    return min(1.0, 2 * (min(low, high) + 1) / (len(differences) + 1))


def block_quantiles(values: Sequence[float], block: int, share: float) -> list[float]:
    """Return the quantile (nearest rank) over resamples of whole blocks of consecutive values.

    Resample ``i`` has the same blocks for any values of the same length; values beyond the last
    whole block are left out.
    """
    generator, blocks = random.Random(SEED), len(values) // block  # noqa: S311
    total = blocks * block
    falling = sorted(range(total), key=values.__getitem__, reverse=True)
    owners, ordered = [i // block for i in falling], [values[i] for i in falling]
    above = total - max(1, math.ceil(share * total - 1e-9))
    found = []
    for _ in range(min(RESAMPLES, max(MIN_RESAMPLES, MAX_DRAWS // total))):
        drawn = Counter(generator.choices(range(blocks), k=blocks))
        seen = itertools.accumulate(map(drawn.__getitem__, owners))
        found.append(next(x for x, n in zip(ordered, seen, strict=True) if n > above))
    return found


def _multinomial(generator: random.Random, counts: Sequence[int]) -> list[int]:
    drawn, left, rest = [], sum(counts), sum(counts)
    for count in counts:
        number = binomial(generator, left, count / rest) if rest and left else 0
        drawn.append(number)
        left -= number
        rest -= count
    return drawn


def binomial(generator: random.Random, n: int, share: float) -> int:
    """Draw from the binomial distribution (Devroye 1986; Hormann 1993, BTRS)."""
    if share <= 0 or not n:
        return 0
    if share >= 1:
        return n
    if share > 0.5:
        return n - binomial(generator, n, 1 - share)
    return _geometric(generator, n, share) if n * share < 10 else _btrs(generator, n, share)


def _geometric(generator: random.Random, n: int, share: float) -> int:
    drawn, position, scale = 0, 0, math.log1p(-share)
    while True:
        position += math.floor(math.log(1 - generator.random()) / scale) + 1
        if position > n:
            return drawn
        drawn += 1


def _btrs(generator: random.Random, n: int, share: float) -> int:
    spread = math.sqrt(n * share * (1 - share))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * share
    accept = 0.92 - 4.2 / b
    while True:
        u, v = generator.random() - 0.5, 1 - generator.random()
        edge = 0.5 - abs(u)
        if edge <= 0:
            continue
        k = math.floor((2 * a / edge + b) * u + n * share + 0.5)
        if not 0 <= k <= n:
            continue
        if edge >= 0.07 and v <= accept:
            return k
        mode = math.floor((n + 1) * share)
        v *= (2.83 + 5.1 / b) * spread / (a / (edge * edge) + b)
        bound = math.lgamma(mode + 1) + math.lgamma(n - mode + 1) - math.lgamma(k + 1)
        bound += (k - mode) * math.log(share / (1 - share)) - math.lgamma(n - k + 1)
        if math.log(v) <= bound:
            return k


def _interpolated(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    index = min(math.floor(position), len(ordered) - 2) if len(ordered) > 1 else 0
    if len(ordered) == 1:
        return ordered[0]
    return ordered[index] + (position - index) * (ordered[index + 1] - ordered[index])

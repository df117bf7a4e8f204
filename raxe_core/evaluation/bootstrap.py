"""Bootstrap intervals in plain Python: quick, because they resample counts and ranks.

A statistic of a confusion table is resampled by drawing the table itself, a few binomial numbers a
time. ROC AUC is resampled through ranks with running sums: about 0.15 microseconds a prompt.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from statistics import NormalDist

import attrs

from raxe_core.evaluation.statistics import LEVEL, Interval

__all__ = [
    "RESAMPLES",
    "Ranks",
    "auc_distribution",
    "bca",
    "binomial",
    "count_acceleration",
    "count_distribution",
    "is_degenerate",
    "jackknife_acceleration",
    "two_sided_p",
]

RESAMPLES = 2_000
MIN_RESAMPLES = 500
MAX_DRAWS = 10_000_000
SEED = 20_061
_NORMAL = NormalDist()
Statistic = Callable[[Sequence[int]], float]


def count_distribution(
    counts: Sequence[int], statistic: Statistic, resamples: int | None = None
) -> list[float]:
    """Return the statistic of tables drawn from the multinomial of ``counts``.

    There are ``RESAMPLES`` of them where no number is given.
    """
    generator = random.Random(SEED)  # noqa: S311  # reproducible on purpose
    return [statistic(_multinomial(generator, counts)) for _ in range(resamples or RESAMPLES)]


def jackknife_acceleration(groups: Sequence[Sequence[tuple[int, float]]]) -> float:
    """Return the acceleration of BCa from leave-one-out values (Efron 1987).

    Each group is one sample: pairs of how many of its observations give a value when they are left
    out, and that value.
    """
    cubes = squares = 0.0
    for group in groups:
        n = sum(number for number, _ in group)
        mean = math.fsum(number * value for number, value in group) / n
        spread = [(number, (n - 1) * (mean - value)) for number, value in group]
        cubes += math.fsum(number * u**3 for number, u in spread) / n**3
        squares += math.fsum(number * u**2 for number, u in spread) / n**2
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def count_acceleration(counts: Sequence[int], statistic: Statistic) -> float:
    """Return the acceleration of a statistic of counts: one value per cell that is not empty."""
    left_out = []
    for cell, number in enumerate(counts):
        if number:
            fewer = [count - (index == cell) for index, count in enumerate(counts)]
            left_out.append((number, statistic(fewer)))
    return jackknife_acceleration([left_out])


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


@attrs.frozen
class Ranks:
    """One model's scores as ranks.

    ``below`` and ``upto`` count for each threat the benign prompts that score lower, and lower or
    equal; ``place`` is each benign prompt's position among the benign ones sorted by score.
    ``untied`` tells that no threat has the score of a benign prompt.
    """

    below: Sequence[int]
    upto: Sequence[int]
    place: Sequence[int]
    untied: bool = False

    @classmethod
    def of(cls, labels: Sequence[bool | int], scores: Sequence[float]) -> Ranks:
        """Rank scores of prompts with these labels (true means threat)."""
        benign = [score for label, score in zip(labels, scores, strict=True) if not label]
        threats = [score for label, score in zip(labels, scores, strict=True) if label]
        order = sorted(range(len(benign)), key=benign.__getitem__)
        place = [0] * len(benign)
        for position, index in enumerate(order):
            place[index] = position
        ordered = [benign[index] for index in order]
        below = [bisect_left(ordered, score) for score in threats]
        upto = [bisect_right(ordered, score) for score in threats]
        return cls(below, upto, place, untied=below == upto)

    @property
    def auc(self) -> float:
        """The area under the ROC curve; both classes must be there."""
        return (sum(self.below) + sum(self.upto)) / (2 * len(self.below) * len(self.place))

    def left_out(self) -> list[list[tuple[int, float]]]:
        """Return the AUC without each threat, and without each benign prompt, in their order."""
        threats, benign = len(self.below), len(self.place)
        total = (sum(self.below) + sum(self.upto)) / 2
        wins = [(low + high) / 2 for low, high in zip(self.below, self.upto, strict=True)]
        # A benign prompt is beaten by the threats whose ``below`` lies above its position, and
        # half beaten by those it is tied with.
        beaten = [0.0] * (benign + 1)
        for low, high in zip(self.below, self.upto, strict=True):
            beaten[0] += 1
            beaten[low] -= 0.5
            beaten[high] -= 0.5
        by_position = list(itertools.accumulate(beaten))
        losses = [by_position[position] for position in self.place]
        groups = []
        if threats > 1:
            groups.append([(1, (total - win) / ((threats - 1) * benign)) for win in wins])
        if benign > 1:
            groups.append([(1, (total - loss) / (threats * (benign - 1))) for loss in losses])
        return groups

    def acceleration(self) -> float:
        """Return the acceleration of the AUC for :func:`bca`."""
        return jackknife_acceleration(self.left_out())


def auc_distribution(models: Sequence[Ranks], resamples: int | None = None) -> list[list[float]]:
    """Return each model's AUC over resamples of the same prompts, each class resampled by itself.

    The prompts of resample ``i`` are the same for all models, so differences are paired. Beyond
    5,000 prompts there are fewer resamples, down to 500, so that the time stays in proportion.
    """
    generator = random.Random(SEED)  # noqa: S311  # reproducible on purpose
    # Lists, because indexing a range is slower.
    threats, benign = (list(range(len(x))) for x in (models[0].below, models[0].place))
    results: list[list[float]] = [[] for _ in models]
    affordable = max(MIN_RESAMPLES, MAX_DRAWS // (len(threats) + len(benign)))
    for _ in range(resamples or min(RESAMPLES, affordable)):
        drawn_benign = generator.choices(benign, k=len(benign))
        drawn_threats = generator.choices(threats, k=len(threats))
        for model, found in zip(models, results, strict=True):
            found.append(_resampled_auc(model, drawn_threats, drawn_benign))
    return results


def _resampled_auc(model: Ranks, threats: list[int], benign: list[int]) -> float:
    counts = [0] * (len(benign) + 1)
    for position in map(model.place.__getitem__, benign):
        counts[position + 1] += 1
    below = list(itertools.accumulate(counts))
    wins = sum(map(below.__getitem__, map(model.below.__getitem__, threats)))
    if model.untied:
        return wins / (len(threats) * len(benign))
    wins += sum(map(below.__getitem__, map(model.upto.__getitem__, threats)))
    return wins / (2 * len(threats) * len(benign))


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

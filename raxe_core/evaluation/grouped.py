"""Resample a statistic of a great many prompts, in a time that hardly grows with their number.

The statistic is followed along its leave-one-out values: a resample changes it by the mean of what
the drawn prompts contribute. Of n prompts that are drawn, sorted by that, as many fall into the
lower half as n coins show heads; and so on for the halves of the halves. A part is halved no more
where it contributes about evenly: it is a group.
"""

from __future__ import annotations

import heapq
import itertools
import math
import operator
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from raxe_core.evaluation.bootstrap import RESAMPLES, SEED
from raxe_core.evaluation.column import Column
from raxe_core.evaluation.sorting import sorted_floats

__all__ = ["linear_distribution"]

HIDDEN = 0.001
"""The share of the variance that may lie within groups, where resamples do not see it."""


class _Groups(NamedTuple):
    """Prompts as a tree of halves, whose leaves are the groups.

    ``split[i]`` is the part whose halves are the parts ``2 i + 1`` and ``2 i + 2``; ``worth`` is
    what each prompt that is drawn from a part adds to the statistic, 0 for a part that was split.
    """

    prompts: int
    split: list[int]
    worth: list[float]

    @classmethod
    def of(cls, contributions: Iterable[float]) -> _Groups:
        """Group contributions whose mean is about 0."""
        ordered = sorted_floats(contributions)
        sums = Column("d", itertools.accumulate(ordered, initial=0.0))
        squared = map(operator.mul, ordered, ordered)
        squares = Column("d", itertools.accumulate(squared, initial=0.0))

        def upto(totals: Sequence[float], position: float, power: int) -> float:
            whole = int(position)
            if whole == position:
                return totals[whole]
            # The prompt on the border belongs to both sides.
            return totals[whole] + (position - whole) * ordered[whole] ** power

        def part(low: float, high: float) -> tuple[float, float, float, float]:
            if ordered[int(low)] == ordered[math.ceil(high) - 1]:
                return 0.0, low, high, ordered[int(low)]
            total = upto(sums, high, 1) - upto(sums, low, 1)
            mean = total / (high - low)
            return upto(squares, low, 2) - upto(squares, high, 2) + total * mean, low, high, mean

        n = len(ordered)
        parts = [(*part(0.0, n), 0)]
        split, worth, within = [], [parts[0][3] / n], -parts[0][0]
        enough = HIDDEN * within
        while within > enough:
            hidden, low, high, _, number = heapq.heappop(parts)
            within += hidden
            worth[number] = 0.0
            split.append(number)
            for half in (part(low, (low + high) / 2), part((low + high) / 2, high)):
                within -= half[0]
                heapq.heappush(parts, (*half, len(worth)))
                worth.append(half[3] / n)
        return cls(n, split, worth)

    def drawn(self, generator: random.Random) -> float:
        """Return the mean contribution of as many prompts, drawn with replacement."""
        flip, counts = generator.getrandbits, [self.prompts]
        for number in self.split:
            whole = counts[number]
            lower = flip(whole).bit_count()
            counts += (lower, whole - lower)
        return math.fsum(map(operator.mul, counts, self.worth))


def linear_distribution(estimate: float, left_out: Sequence[Sequence[float]]) -> list[float]:
    """Return ``RESAMPLES`` resamples of a statistic of one or more samples.

    ``left_out`` has for each sample the statistic without each of its prompts. Left aside is what
    lies within groups, at most ``HIDDEN`` of the variance, and what is not linear in the samples:
    of ROC AUC a share of about 1/m, where m prompts have one of the other label out of order.
    """
    generator = random.Random(SEED)  # noqa: S311  # reproducible on purpose
    samples = []
    for values in left_out:
        mean, rest = math.fsum(values) / len(values), len(values) - 1
        samples.append(_Groups.of(rest * (mean - value) for value in values))
    return [estimate + sum(sample.drawn(generator) for sample in samples) for _ in range(RESAMPLES)]

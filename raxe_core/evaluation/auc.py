"""ROC AUC: ranks, leave-one-out values and resamples of one model's, and of two models' difference.

Up to ``EXACT_UP_TO`` prompts a resample is the AUC of prompts that are drawn; of more, it comes
from :func:`raxe_core.evaluation.grouped.linear_distribution`.
"""

from __future__ import annotations

import functools
import itertools
import operator
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import attrs

from raxe_core.evaluation.bootstrap import RESAMPLES, SEED, jackknife_acceleration, one_each
from raxe_core.evaluation.column import Column
from raxe_core.evaluation.grouped import linear_distribution
from raxe_core.evaluation.metrics import scores_of
from raxe_core.evaluation.sorting import sorted_floats

__all__ = ["Difference", "Ranks", "auc_differences", "auc_distribution", "exact_distributions"]

EXACT_UP_TO = 2_000


class Difference(NamedTuple):
    """The difference of two models' AUC: its value, resamples, and acceleration for BCa."""

    estimate: float
    resampled: list[float]
    acceleration: float


@attrs.frozen(slots=False)
class Ranks:
    """One model's scores as ranks.

    ``below`` and ``upto`` count for each threat the benign prompts that score lower, and lower or
    equal; ``place`` counts for each benign prompt the benign ones that score lower. ``untied``
    tells that no threat has the score of a benign prompt.
    """

    below: Column[int]
    upto: Column[int]
    place: Column[int]
    untied: bool

    @classmethod
    def of(cls, labels: Sequence[bool | int], scores: Sequence[float]) -> Ranks:
        """Rank scores of prompts with these labels (true means threat)."""
        ordered = scores_of(False, labels, scores).view()
        below, upto, place = (Column[int]("I") for _ in range(3))
        for label, score in zip(labels, scores, strict=True):
            if label:
                below.append(bisect_left(ordered, score))
                upto.append(bisect_right(ordered, score))
            else:
                place.append(bisect_left(ordered, score))
        return cls(below, upto, place, untied=all(map(operator.eq, below, upto)))

    @property
    def prompts(self) -> int:
        """The number of prompts."""
        return len(self.below) + len(self.place)

    @property
    def auc(self) -> float:
        """The area under the ROC curve; both classes must be there."""
        return (sum(self.below) + sum(self.upto)) / (2 * len(self.below) * len(self.place))

    @functools.cached_property
    def left_out(self) -> list[Column[float]]:
        """The AUC without each threat, and without each benign prompt, in their order."""
        threats, benign = len(self.below), len(self.place)
        total = (sum(self.below) + sum(self.upto)) / 2
        samples: list[Column[float]] = []
        if threats > 1:
            pairs, wins = (threats - 1) * benign, zip(self.below, self.upto, strict=True)
            samples.append(Column("d", ((total - (a + b) / 2) / pairs for a, b in wins)))
        if benign > 1:
            # A benign prompt is beaten by the threats whose ``below`` lies above its place, and
            # half beaten by those it is tied with.
            below, upto = (sorted_floats(ranks).view() for ranks in (self.below, self.upto))
            pairs = threats * (benign - 1)
            losses = (
                threats - (bisect_right(below, place) + bisect_right(upto, place)) / 2
                for place in self.place
            )
            samples.append(Column("d", ((total - loss) / pairs for loss in losses)))
        return samples

    def acceleration(self) -> float:
        """Return the acceleration of the AUC for :func:`bca`."""
        return jackknife_acceleration(map(one_each, self.left_out))


def auc_distribution(model: Ranks) -> list[float]:
    """Return the AUC over resamples of the prompts, each class resampled by itself."""
    if model.prompts <= EXACT_UP_TO:
        return exact_distributions([model])[0]
    # Beyond the limits lies only what the linear resamples leave aside.
    return [min(1.0, max(0.0, auc)) for auc in linear_distribution(model.auc, model.left_out)]


def auc_differences(models: Sequence[Ranks]) -> Iterator[Difference]:
    """Yield ``second - first`` for every two models that judged the same prompts.

    Both are resampled with the same prompts.
    """
    exact = exact_distributions(models) if models and models[0].prompts <= EXACT_UP_TO else None
    left_out = [model.left_out for model in models]
    for i, j in itertools.combinations(range(len(models)), 2):
        estimate = models[j].auc - models[i].auc
        samples = [
            Column("d", map(operator.sub, new, old))
            for old, new in zip(left_out[i], left_out[j], strict=True)
        ]
        if exact is None:
            resampled = linear_distribution(estimate, samples)
        else:
            resampled = list(map(operator.sub, exact[j], exact[i]))
        acceleration = jackknife_acceleration(map(one_each, samples))
        yield Difference(estimate, resampled, acceleration)


def exact_distributions(models: Sequence[Ranks], resamples: int = RESAMPLES) -> list[list[float]]:
    """Return each model's AUC over resamples of prompts, which are the same for all models.

    A resample takes a fifth of a microsecond a prompt and model.
    """
    generator = random.Random(SEED)  # noqa: S311  # reproducible on purpose
    results: list[list[float]] = [[] for _ in models]
    for _ in range(resamples):
        for found, auc in zip(results, _resampled_aucs(models, generator), strict=True):
            found.append(auc)
    return results


def _resampled_aucs(models: Sequence[Ranks], generator: random.Random) -> list[float]:
    threats, benign = len(models[0].below), len(models[0].place)
    chosen_benign = generator.choices(range(benign), k=benign)
    chosen_threats = generator.choices(range(threats), k=threats)
    found = []
    for model in models:
        counts = [0] * (benign + 1)
        for position in map(model.place.view().__getitem__, chosen_benign):
            counts[position + 1] += 1
        lower = list(itertools.accumulate(counts))
        wins = sum(map(lower.__getitem__, map(model.below.view().__getitem__, chosen_threats)))
        # Where nothing is tied, both counts are the same.
        if model.untied:
            wins *= 2
        else:
            wins += sum(map(lower.__getitem__, map(model.upto.view().__getitem__, chosen_threats)))
        found.append(wins / (2 * threats * benign))
    return found

"""The fixed-horizon test beside the anytime one: true at the planned size alone, looked at once."""

from __future__ import annotations

import math

from raxe_abtest.comparison import Finding, arm_sums
from raxe_abtest.config import Experiment
from raxe_abtest.statistics.fixed import Test, two_proportions, welch
from raxe_abtest.statistics.special import normal_quantile, normal_sf2
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store.records import Snapshot

__all__ = ["fixed_test"]


def fixed_test(
    experiment: Experiment, snapshot: Snapshot, treatment: int, finding: Finding
) -> Test:
    """Return the textbook test of what ``finding`` compares.

    With one value per user and one epoch that is a test of two proportions or Welch's; otherwise
    the effect against its standard error between users.
    """
    metric, alpha = experiment.primary_metric, experiment.alpha
    a, b = (arm_sums(snapshot, number, metric) for number in (0, treatment))
    plain = len(snapshot.registration.epochs) == 1 and metric != "p95_latency"
    if plain and not finding.method.startswith("paired"):
        if a.binary and b.binary:
            return two_proportions(round(a.s), round(a.m), round(b.s), round(b.m), alpha)
        if a.one_each and b.one_each:
            return welch(*_moments(a), *_moments(b), alpha)
    effect = finding.effect
    if effect is None or effect.se <= 0:
        return Test("none", None, None, 1.0, finding.note)
    half = normal_quantile(1 - alpha / 2) * effect.se
    interval = (effect.d - half, effect.d + half)
    return Test("normal, by users", effect.d, interval, normal_sf2(effect.d / effect.se))


def _moments(sums: Sums) -> tuple[float, float, float]:
    """Return mean, deviation and number of users with one value each."""
    return sums.mean or 0.0, math.sqrt((sums.variance() or 0.0) * sums.k), sums.k

"""Two models on the same prompts: only the prompts on which they differ tell which is better."""

from __future__ import annotations

import math

from raxe_abtest.statistics.sequential import log_e_binomial, log_e_mean, multiplier
from raxe_abtest.statistics.sums import Effect, Sums

__all__ = ["PAIR_K", "log_e_discordant", "paired_effect", "paired_interval", "paired_log_e"]

PAIR_K = 20.0


def log_e_discordant(only_a: float, only_b: float, k: float = PAIR_K) -> float:
    """Return ln e of the discordant pairs: a fair coin (McNemar 1947), bet on by Beta(k/2, k/2).

    Exact at every look, for independent pairs.
    """
    return log_e_binomial(only_a, only_b, 0.5, k)


def paired_effect(sums: Sums) -> Effect | None:
    """Return the mean difference b - a per pair, with its spread between users."""
    if sums.k < 2:
        return None
    mean, variance = sums.mean, sums.variance()
    if mean is None or variance is None:
        return None
    return Effect(mean, math.sqrt(variance), sums.k)


def paired_log_e(
    sums: Sums, only_a: float, only_b: float, planned: float, alpha: float = 0.05
) -> float:
    """Return ln e of a paired comparison: exact with one pair per user, by users otherwise."""
    if sums.one_each:
        return log_e_discordant(only_a, only_b)
    effect = paired_effect(sums)
    return 0.0 if effect is None else log_e_mean(effect, planned, alpha)


def paired_interval(sums: Sums, planned: float, alpha: float = 0.05) -> tuple[float, float] | None:
    """Return the anytime interval of the mean difference, None below two users.

    The variance is that with four more users of the average number of pairs, on all of which the
    models differ, two in favour of each. Models that seldom differ, and always one way, hide their
    variance until they do. Bonett and Price (2012) add one user each way for an interval that is
    looked at once; at every look it takes two (simulated in the tests).
    """
    effect = paired_effect(sums)
    if effect is None:
        return None
    m = sums.m / sums.k
    prior = Sums(4, 0, 4 * m, 4 * m * m, 0, 4 * m * m)
    half = multiplier(sums.k, planned, alpha) * math.sqrt(sums.plus(prior).variance() or 0.0)
    return max(-1.0, effect.d - half), min(1.0, effect.d + half)

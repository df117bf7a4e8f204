"""Compare a treatment with the control in one metric, at one look."""

from __future__ import annotations

import math
from typing import NamedTuple

from raxe_abtest.config import LOWER_IS_BETTER, Experiment
from raxe_abtest.statistics.paired import paired_effect, paired_interval, paired_log_e
from raxe_abtest.statistics.quantile import Ratio, design_effect, quantile, quantile_ratio
from raxe_abtest.statistics.sequential import log_average, log_e_mean, log_e_proportions, multiplier
from raxe_abtest.statistics.sums import Effect, Sums, difference, stratified
from raxe_abtest.store.records import ARMS, Snapshot

__all__ = [
    "Finding",
    "arm_sums",
    "compare",
    "effects_of",
    "latency_design_effect",
    "p95_of",
    "pair_sums",
]

MEAN_BURN_IN = 100  # latencies are skewed; a mean of few is not yet near normal


class Finding(NamedTuple):
    """What one look says of treatment minus control; ``interval`` is anytime-valid.

    ``enough`` is false before the burn-in: then nothing is said. ``note`` tells why there is no
    interval. ``a`` is the control's value, to which relative margins refer.
    """

    effect: Effect | None
    interval: tuple[float, float] | None
    log_e: float
    method: str
    enough: bool
    users: tuple[float, float]
    a: float | None
    note: str = ""


def arm_sums(snapshot: Snapshot, variant: int, metric: str, epoch: int | None = None) -> Sums:
    """Return an arm's sums of a metric, in one epoch or in all."""
    total = Sums()
    for (at, scope, number, name), sums in snapshot.sums.items():
        if (scope, number, name) == (ARMS, variant, metric) and epoch in (None, at):
            total = total.plus(sums)
    return total


def pair_sums(snapshot: Snapshot, treatment: int, metric: str) -> Sums:
    """Return the sums of the differences on shared prompts."""
    total = Sums()
    for (_, scope, _, name), sums in snapshot.sums.items():
        if scope == f"pair:{treatment}" and name == metric:
            total = total.plus(sums)
    return total


def compare(experiment: Experiment, snapshot: Snapshot, treatment: int, metric: str) -> Finding:
    """Compare a treatment with the control in one metric."""
    if metric == "p95_latency":
        return _compare_p95(experiment, snapshot, treatment)
    pairs = pair_sums(snapshot, treatment, metric)
    paired = pairs.k >= experiment.burn_in
    if paired and metric in ("accuracy", "recall", "false_positive_rate"):
        return _compare_pairs(experiment, snapshot, treatment, metric, pairs)
    finding = _compare_arms(experiment, snapshot, treatment, metric)
    if paired and metric == "error_rate" and not finding.enough:
        # Where the answer failed the shadow was not asked. That favours the shadow, so pairs tell
        # of failures only where an arm has no users.
        return _compare_pairs(experiment, snapshot, treatment, metric, pairs)
    return finding


def p95_of(snapshot: Snapshot, variant: int) -> float | None:
    """Return an arm's p95 latency, None below 76 requests."""
    found = quantile(snapshot.histograms.get(variant, ()), 0.95)
    return None if found is None else found.value


def latency_design_effect(snapshot: Snapshot, variant: int) -> float:
    """Return how much wider p95 intervals are because users send several requests.

    Until it was measured how alike a user's requests are, they count as wholly alike.
    """
    sums = arm_sums(snapshot, variant, "latency")
    return design_effect(snapshot.facts.get(f"icc:{variant}", 1.0), sums.m, sums.mm)


def _compare_arms(
    experiment: Experiment, snapshot: Snapshot, treatment: int, metric: str
) -> Finding:
    proportion = metric != "latency"
    tests, shown, exact, users = [], [], 0.0, (0.0, 0.0)
    one_each = True
    for epoch, weights in enumerate(snapshot.registration.epochs):
        a, b = (arm_sums(snapshot, number, metric, epoch) for number in (0, treatment))
        users = (users[0] + a.k, users[1] + b.k)
        test, interval = effects_of(a, b, proportion=proportion)
        if test is None or interval is None:
            continue
        tests.append(test)
        shown.append(interval)
        one_each = one_each and (a.binary and b.binary)
        if proportion and one_each:
            both = weights[0] + weights[treatment]
            exact += log_e_proportions(*_failures(a, b, metric), weights[0] / both if both else 0.0)
    needed = experiment.burn_in if proportion else max(experiment.burn_in, MEAN_BURN_IN)
    total = arm_sums(snapshot, 0, metric)
    effect = stratified(shown)
    if effect is None or min(users) < needed:
        note = f"fewer than {needed} users with this metric in an arm"
        return Finding(effect, None, 0.0, "none", False, users, total.mean, note)
    test_effect = stratified(tests)
    assert test_effect is not None
    log_e = log_e_mean(test_effect, experiment.planned_users, experiment.alpha)
    method = "normal mixture, by users"
    if proportion and one_each:
        log_e = log_average(log_e, exact)
        method = "normal mixture and exact, averaged"
    if effect.se == 0:
        note = "no value differs from another, so there is no spread to measure against"
        return Finding(effect, None, 0.0, method, True, users, total.mean, note)
    half = multiplier(effect.size, experiment.planned_users, experiment.alpha) * effect.se
    low, high = effect.d - half, effect.d + half
    if proportion:
        low, high = max(-1.0, low), min(1.0, high)
    return Finding(effect, (low, high), log_e, method, True, users, total.mean)


def effects_of(a: Sums, b: Sums, *, proportion: bool) -> tuple[Effect | None, Effect | None]:
    """Return the effect to test with and the one to show."""
    if not proportion:
        plain = difference(a, b)
        return plain, plain
    shown, pooled = difference(a, b, prior=True), difference(a, b, pooled=True)
    if shown is None or pooled is None or (a.binary and b.binary):
        return pooled, shown
    plain = difference(a, b)
    assert plain is not None
    # Two arms may differ in how their users cluster, without differing in the mean.
    return pooled._replace(se=max(pooled.se, plain.se)), shown


def _failures(a: Sums, b: Sums, metric: str) -> tuple[float, float]:
    if metric in LOWER_IS_BETTER:
        return a.s, b.s
    return a.m - a.s, b.m - b.s


def _compare_pairs(
    experiment: Experiment, snapshot: Snapshot, treatment: int, metric: str, pairs: Sums
) -> Finding:
    effect = paired_effect(pairs)
    planned, alpha = experiment.planned_users, experiment.alpha
    facts = snapshot.facts
    if metric == "accuracy":
        only_a = facts.get(f"pair:{treatment}:only_control", 0.0)
        only_b = facts.get(f"pair:{treatment}:only_treatment", 0.0)
    else:  # with one pair each, S is the difference and S² the number of those that differ
        only_a, only_b = (pairs.ss - pairs.s) / 2, (pairs.ss + pairs.s) / 2
    log_e = paired_log_e(pairs, only_a, only_b, planned, alpha)
    interval = paired_interval(pairs, planned, alpha)
    base = arm_sums(snapshot, 0, metric).mean
    method = "paired, exact" if pairs.one_each else "paired, by users"
    return Finding(effect, interval, log_e, method, True, (pairs.k, pairs.k), base)


def _compare_p95(experiment: Experiment, snapshot: Snapshot, treatment: int) -> Finding:
    """The effect and the interval are in milliseconds; the evidence is on the ratio."""
    arms = (0, treatment)
    users = tuple(arm_sums(snapshot, number, "latency").k for number in arms)
    found: Ratio | None = None
    if min(users) >= experiment.burn_in:
        found = quantile_ratio(
            snapshot.histograms.get(0, ()),
            snapshot.histograms.get(treatment, ()),
            0.95,
            (users[0], users[1]),
            (latency_design_effect(snapshot, 0), latency_design_effect(snapshot, treatment)),
            experiment.planned_users,
            experiment.alpha,
        )
    a, b = (p95_of(snapshot, number) for number in arms)
    if found is None or a is None or b is None:
        note = "too few requests for a p95 interval"
        return Finding(None, None, 0.0, "none", False, (users[0], users[1]), a, note)
    interval = (a * math.expm1(found.low), a * math.expm1(found.high))
    effect = Effect(b - a, a * found.effect.se, found.effect.size)
    method = "p95 of ranks, by users"
    return Finding(effect, interval, found.log_e, method, True, (users[0], users[1]), a)

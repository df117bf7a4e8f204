"""Work a report out of what the store holds."""

from __future__ import annotations

import math

from raxe_abtest.comparison import (
    Finding,
    arm_sums,
    compare,
    latency_design_effect,
    p95_of,
)  # fmt: skip
from raxe_abtest.config import LOWER_IS_BETTER, Experiment
from raxe_abtest.decision import decide
from raxe_abtest.guardrails import (
    ALARM,
    check_guardrail,
    log_e_missing,
    log_e_srm,
    total_users,
)  # fmt: skip
from raxe_abtest.horizon import fixed_test
from raxe_abtest.report import NOT_MEASURED, Arm, Comparison, Figure, Report, Share
from raxe_abtest.statistics.fixed import holm
from raxe_abtest.statistics.quantile import quantile, quantile_sequence
from raxe_abtest.statistics.sequential import (
    beta_binomial_interval,
    multiplier,
    p_from_log_e,
    size_needed,
)  # fmt: skip
from raxe_abtest.statistics.special import normal_cdf
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store.records import Peak, Snapshot

__all__ = ["evaluate", "unavailable"]


def evaluate(experiment: Experiment, snapshot: Snapshot, problem: str | None) -> Report:
    """Work a report out of what the store holds."""
    treatments = range(1, len(experiment.variants))
    metric = experiment.primary_metric
    findings = [compare(experiment, snapshot, number, metric) for number in treatments]
    names = [experiment.variants[number].name for number in treatments]
    peaks = [
        max(finding.log_e, snapshot.peaks.get((name, metric), Peak(0, 0)).log_e)
        if finding.enough else 0.0
        for name, finding in zip(names, findings, strict=True)
    ]  # fmt: skip
    adjusted = holm([p_from_log_e(peak) for peak in peaks])
    comparisons = tuple(
        _comparison(experiment, snapshot, number, finding, p)
        for number, finding, p in zip(treatments, findings, adjusted, strict=True)
    )
    guardrails = tuple(
        check_guardrail(experiment, snapshot, number, name, margin)
        for number in treatments
        for name, margin in experiment.guardrails.items()
        if name != metric
    )
    srm = max(log_e_srm(snapshot), _peak(snapshot, "srm", "users"))
    missing = max(
        max(log_e_missing(experiment, snapshot, number), _peak(snapshot, name, "labelled"))
        for number, name in zip(treatments, names, strict=True)
    )
    facts = dict(snapshot.facts)
    draft = Report(
        key=experiment.key,
        state=snapshot.registration.state,
        status="collecting",
        winner=None,
        confidence=max((c.confidence for c in comparisons), default=Share(0.0)),
        sentence="",
        primary_metric=metric,
        alpha=experiment.alpha,
        users=int(total_users(snapshot)),
        variants=tuple(_arm(experiment, snapshot, n) for n in range(len(experiment.variants))),
        comparisons=comparisons,
        guardrails=guardrails,
        srm_p_value=p_from_log_e(srm),
        missing_p_value=p_from_log_e(missing),
        lost_events=int(facts.get("lost", 0)),
        facts=facts,
        notes=tuple(_notes(experiment, snapshot, problem)),
    )
    return decide(experiment, draft, void_srm=srm >= ALARM, void_labels=missing >= ALARM)


def unavailable(experiment: Experiment, problem: str, lost: int) -> Report:
    """Return the report of an experiment whose store cannot be read."""
    empty = Snapshot.empty(experiment)
    return Report(
        key=experiment.key, state="unknown", status="store_unavailable", winner=None,
        confidence=Share(0.0),
        sentence=f"No report: {problem} {lost:,} events are lost; scans go on.",
        primary_metric=experiment.primary_metric, alpha=experiment.alpha, users=0,
        variants=tuple(_arm(experiment, empty, n) for n in range(len(experiment.variants))),
        lost_events=lost,
        notes=(problem,),
    )  # fmt: skip


def _peak(snapshot: Snapshot, comparison: str, metric: str) -> float:
    return snapshot.peaks.get((comparison, metric), Peak(0.0, 0.0)).log_e


def _figure(value: float | None) -> Figure:
    return NOT_MEASURED if value is None else value


def _arm(experiment: Experiment, snapshot: Snapshot, number: int) -> Arm:
    variant = experiment.variants[number]
    sums = {
        name: arm_sums(snapshot, number, name)
        for name in ("users", "accuracy", "latency", "error_rate", "recall",
                     "false_positive_rate", "labelled")
    }  # fmt: skip
    return Arm(
        name=variant.name,
        model_id=variant.model_id,
        share=experiment.shares[number],
        users=int(sums["users"].k),
        requests=int(sums["error_rate"].m),
        outcomes=int(sums["accuracy"].m),
        avg_latency=_figure(sums["latency"].mean),
        p95_latency=_figure(p95_of(snapshot, number)),
        p95_interval=_p95_interval(experiment, snapshot, number, sums["latency"]),
        accuracy=_figure(sums["accuracy"].mean),
        accuracy_interval=_arm_interval(experiment, sums["accuracy"]),
        recall=_figure(sums["recall"].mean),
        false_positive_rate=_figure(sums["false_positive_rate"].mean),
        error_rate=_figure(sums["error_rate"].mean),
        labelled_share=_figure(sums["labelled"].mean),
    )


def _p95_interval(
    experiment: Experiment, snapshot: Snapshot, number: int, latencies: Sums
) -> tuple[float, float] | None:
    """Return the anytime interval of one arm's p95: exact where every user sent one request."""
    histogram = snapshot.histograms.get(number, ())
    planned = max(10.0, experiment.planned_users / 2)
    if latencies.one_each:
        return quantile_sequence(histogram, 0.95, planned, experiment.alpha)
    if latencies.k < experiment.burn_in:
        return None
    factor = multiplier(latencies.k, planned, experiment.alpha)
    found = quantile(histogram, 0.95, factor, latency_design_effect(snapshot, number))
    if found is None or found.low is None or found.high is None:
        return None
    return found.low, found.high


def _arm_interval(experiment: Experiment, sums: Sums) -> tuple[float, float] | None:
    """Return the anytime interval of one arm's accuracy; None below two users."""
    if sums.k < 2 or sums.mean is None:
        return None
    if sums.binary:
        return beta_binomial_interval(sums.s, sums.m, experiment.alpha)
    variance = sums.with_prior().variance() or 0.0
    planned = max(10.0, experiment.planned_users / 2)
    half = multiplier(sums.k, planned, experiment.alpha) * math.sqrt(variance)
    return max(0.0, sums.mean - half), min(1.0, sums.mean + half)


def _comparison(
    experiment: Experiment, snapshot: Snapshot, number: int, finding: Finding, p_value: float
) -> Comparison:
    variant, effect = experiment.variants[number], finding.effect
    better = 0.5
    if effect is not None and effect.se > 0:
        sign = -1 if experiment.primary_metric in LOWER_IS_BETTER else 1
        better = normal_cdf(sign * effect.d / effect.se)
    fixed = fixed_test(experiment, snapshot, number, finding)
    return Comparison(
        treatment=variant.name,
        model_id=variant.model_id,
        metric=experiment.primary_metric,
        effect=None if effect is None else effect.d,
        interval=finding.interval,
        confidence=Share(1 - p_value),
        p_value=p_value,
        p_now=p_from_log_e(finding.log_e),
        chance_to_win=Share(better),
        fixed_p_value=fixed.p_value,
        fixed_interval=fixed.interval,
        users=int(finding.users[0] if finding.method.startswith("paired") else sum(finding.users)),
        users_needed=_more_users(experiment, number, finding),
        method=finding.method,
        note=finding.note,
    )


def _more_users(experiment: Experiment, number: int, finding: Finding) -> int | None:
    """Return how many more users of all arms are expected, were the estimate the truth."""
    if finding.effect is None or not finding.enough:
        return None
    size = size_needed(finding.effect, experiment.planned_users, experiment.alpha)
    if size is None:
        return None
    growth = size / finding.effect.size - 1
    if growth <= 0:
        return 0
    users = finding.users[0] if finding.method.startswith("paired") else sum(finding.users)
    both = experiment.shares[0] + experiment.shares[number]
    paired = finding.method.startswith("paired") or both == 0
    more = growth * users / (1.0 if paired else both)
    return math.ceil(more) if more < 1e9 else None


def _notes(experiment: Experiment, snapshot: Snapshot, problem: str | None) -> list[str]:
    facts, notes = snapshot.facts, []
    results = max(facts.get("results", 0.0), 1.0)
    if problem is not None:
        notes.append(f"The store fails now: {problem}")
    for name, text in (
        ("lost", "events are lost: the store failed for longer than memory could hold them"),
        ("invalid", "values were left out: no number, no truth value, negative, or too large"),
        ("crossovers", "events of users who had come into another arm first were left out"),
    ):
        if facts.get(name):
            notes.append(f"{facts[name]:,.0f} {text}.")
    if facts.get("mismatched", 0.0) > 0.01 * results:
        notes.append(
            f"{facts['mismatched']:,.0f} results name another model than the user was given; "
            "track what select() returned."
        )
    if len(snapshot.registration.epochs) > 1:
        notes.append(
            f"The split changed {len(snapshot.registration.epochs) - 1} times; each part is "
            "compared within itself."
        )
    worst = max(latency_design_effect(snapshot, n) for n in range(len(experiment.variants)))
    if worst > 2 and "p95_latency" in {experiment.primary_metric, *experiment.guardrails}:
        notes.append(f"A user's latencies are alike: p95 intervals are {worst**0.5:.1f}x wider.")
    return notes

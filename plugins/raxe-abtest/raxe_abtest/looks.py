"""What every look leaves in the store, so that p-values are the same for whoever asks next."""

from __future__ import annotations

import time

from raxe_abtest.comparison import arm_sums, compare, p95_of
from raxe_abtest.config import Experiment
from raxe_abtest.errors import StoreError
from raxe_abtest.evaluate import evaluate
from raxe_abtest.guardrails import log_e_missing, log_e_srm
from raxe_abtest.report import Report
from raxe_abtest.statistics.quantile import cluster_icc
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Look, Snapshot

__all__ = ["look", "rollback_reason"]

GROWTH = 1.02  # a look is kept when there are 2 % more users, or stronger evidence
CLUSTERING_GROWTH = 1.2


def look(store: Store, experiment: Experiment, problem: str | None = None) -> Report:
    """Evaluate the experiment, and keep what was seen where the store can be written.

    Raises:
        ExperimentError: the store has no such experiment.
        StoreError: the store cannot be read.
    """
    snapshot = store.snapshot(experiment.key)
    try:
        snapshot = _refresh_clustering(store, snapshot)
        report = evaluate(experiment, snapshot, problem)
        found = _looks_of(experiment, report, snapshot)
        if found:
            store.add_looks(snapshot.registration.number, found)
    except StoreError as error:
        return evaluate(experiment, snapshot, str(error))
    return report


def _looks_of(experiment: Experiment, report: Report, snapshot: Snapshot) -> list[Look]:
    now, users = time.time(), float(report.users)
    found: list[Look] = []
    for number, item in enumerate(report.comparisons, start=1):
        finding = compare(experiment, snapshot, number, item.metric)
        if finding.enough and finding.effect is not None:
            low, high = finding.interval or (None, None)
            effect = finding.effect.d
            found.append(
                Look(now, item.treatment, item.metric, users, effect, low, high, finding.log_e)
            )
        missing = log_e_missing(experiment, snapshot, number)
        if missing:
            found.append(Look(now, item.treatment, "labelled", users, 0, None, None, missing))
    if users:
        srm = min(log_e_srm(snapshot), 1e6)
        found.append(Look(now, "srm", "users", users, 0, None, None, srm))
    return [one for one in found if _worth_keeping(one, snapshot)]


def _refresh_clustering(store: Store, snapshot: Snapshot) -> Snapshot:
    """Measure anew how alike one user's latencies are, once an arm has grown by a fifth."""
    facts: dict[str, float] = {}
    for variant in snapshot.histograms:
        latencies = arm_sums(snapshot, variant, "latency")
        p95 = p95_of(snapshot, variant)
        last = snapshot.facts.get(f"icc_at:{variant}", 0.0)
        if p95 is None or latencies.m < CLUSTERING_GROWTH * last:
            continue
        number = snapshot.registration.number
        alike = 0.0
        if not latencies.one_each:
            alike = cluster_icc(store.sampled_latencies(number, variant).values(), p95)
        facts |= {f"icc:{variant}": alike, f"icc_at:{variant}": latencies.m}
    if not facts:
        return snapshot
    store.set_facts(snapshot.registration.number, facts)
    return snapshot._replace(facts={**snapshot.facts, **facts})


def rollback_reason(experiment: Experiment, report: Report) -> str | None:
    """Say why every user should get the control now, or None."""
    if not experiment.auto_rollback or report.state != "running":
        return None
    for rail in report.guardrails:
        if rail.status == "violated" and rail.low is not None:
            unit = f"{rail.low:.1%}" if rail.relative else f"{100 * rail.low:.2f} pt"
            return (
                f"guardrail {rail.metric} of variant {rail.treatment}: at least {unit} worse than "
                f"the control, {rail.margin:g} allowed"
            )
    return None


def _worth_keeping(seen: Look, snapshot: Snapshot) -> bool:
    peak = snapshot.peaks.get((seen.comparison, seen.metric))
    if peak is None:
        return True
    return seen.users >= GROWTH * peak.users or seen.log_e > peak.log_e + 1e-9

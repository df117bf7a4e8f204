"""What must not get worse, and what makes an experiment void."""

from __future__ import annotations

import math
from typing import NamedTuple

from raxe_abtest.comparison import Finding, arm_sums, compare
from raxe_abtest.config import LOWER_IS_BETTER, RELATIVE, Experiment
from raxe_abtest.statistics.sequential import log_e_mean
from raxe_abtest.statistics.srm import SRM_ALARM, log_e_split
from raxe_abtest.statistics.sums import difference, stratified
from raxe_abtest.store.records import ARMS, Snapshot

__all__ = ["Guardrail", "check_guardrail", "log_e_missing", "log_e_srm"]

ALARM = SRM_ALARM  # both checks void an experiment at alpha = 0.001


class Guardrail(NamedTuple):
    """How much worse a treatment may be in a metric, and how much worse it is.

    ``harm`` and its anytime bounds are shares of the control's value where the margin is
    (latencies), differences otherwise. ``status`` is ok (certainly within the margin), violated
    (certainly beyond it), undecided or not_measured.
    """

    metric: str
    treatment: str
    margin: float
    relative: bool
    harm: float | None
    low: float | None
    high: float | None
    status: str


def check_guardrail(
    experiment: Experiment, snapshot: Snapshot, treatment: int, metric: str, margin: float
) -> Guardrail:
    """Compare a treatment with the control in what must not get worse (non-inferiority)."""
    finding = compare(experiment, snapshot, treatment, metric)
    relative = metric in RELATIVE
    name = experiment.variants[treatment].name
    bounds = _harm(finding, metric, relative=relative)
    if bounds is None:
        status = "undecided" if min(finding.users) > 0 else "not_measured"
        if finding.effect is not None and finding.effect.se == 0 and finding.enough:
            status = "undecided" if finding.effect.d else "ok"  # nothing varies
        return Guardrail(metric, name, margin, relative, None, None, None, status)
    harm, low, high = bounds
    status = "violated" if low > margin else "ok" if high < margin else "undecided"
    return Guardrail(metric, name, margin, relative, harm, low, high, status)


def log_e_srm(snapshot: Snapshot) -> float:
    """Return ln e against the split, over all epochs, counted in users."""
    total = 0.0
    for epoch, weights in enumerate(snapshot.registration.epochs):
        whole = sum(weights)
        users = [arm_sums(snapshot, number, "users", epoch).k for number in range(len(weights))]
        if sum(users):
            total += log_e_split(users, [weight / whole for weight in weights])
    return total


def log_e_missing(experiment: Experiment, snapshot: Snapshot, treatment: int) -> float:
    """Return ln e against equal shares of labelled outcomes: labels must not favour an arm."""
    effects = []
    for epoch in range(len(snapshot.registration.epochs)):
        a, b = (arm_sums(snapshot, number, "labelled", epoch) for number in (0, treatment))
        effect = difference(a, b, pooled=True)
        if effect is not None and min(a.k, b.k) >= experiment.burn_in:
            effects.append(effect)
    effect = stratified(effects)
    if effect is None:
        return 0.0
    return log_e_mean(effect, experiment.planned_users, math.exp(-ALARM))


def total_users(snapshot: Snapshot) -> float:
    """Return the users of all arms and epochs."""
    return sum(
        sums.k for (_, scope, _, name), sums in snapshot.sums.items()
        if scope == ARMS and name == "users"
    )  # fmt: skip


def _harm(finding: Finding, metric: str, *, relative: bool) -> tuple[float, float, float] | None:
    if finding.effect is None or finding.interval is None:
        return None
    harm, (low, high) = finding.effect.d, finding.interval
    if metric not in LOWER_IS_BETTER:
        harm, low, high = -harm, -high, -low
    if not relative:
        return harm, low, high
    if not finding.a:
        return None
    return harm / finding.a, low / finding.a, high / finding.a

"""From evidence to a word: winner, and if there is none, why not."""

from __future__ import annotations

import attrs

from raxe_abtest.config import LOWER_IS_BETTER, RELATIVE, Experiment
from raxe_abtest.report import Comparison, NotMeasured, Report, Share
from raxe_abtest.wording import sentence

__all__ = ["STATUSES", "decide"]

STATUSES = {
    "winner": "one variant is better, and no guardrail broke",
    "collecting": "more data is needed",
    "insufficient_data": "too few users to say anything",
    "equivalent": "the difference is smaller than what matters: take the cheaper one",
    "tradeoff": "better in the primary metric, and worse in a guardrail",
    "guardrail_violated": "a treatment is worse than its guardrail allows",
    "inconclusive_at_max_n": "max_users is reached without a decision",
    "invalid_srm": "users did not come into the arms as they should: find out why",
    "invalid_label_missingness": "one arm's outcomes are labelled more often: find out why",
    "store_unavailable": "the store cannot be read",
}


def decide(experiment: Experiment, draft: Report, *, void_srm: bool, void_labels: bool) -> Report:
    """Return the report with its status, winner, confidence and sentence."""
    status, winner, decisive = _status(experiment, draft, void_srm, void_labels)
    if status == "insufficient_data":
        confidence = Share(0.0)
    else:
        confidence = decisive.confidence if decisive else draft.confidence
    report = attrs.evolve(draft, status=status, winner=winner, confidence=confidence)
    return attrs.evolve(report, sentence=sentence(experiment, report, decisive))


def _status(
    experiment: Experiment, draft: Report, void_srm: bool, void_labels: bool
) -> tuple[str, str | None, Comparison | None]:
    """Return the status, the winner's model id and the comparison that decides."""
    if void_srm:
        return "invalid_srm", None, None
    if void_labels and experiment.primary_metric in ("accuracy", "recall", "false_positive_rate"):
        return "invalid_label_missingness", None, None
    if any(comparison.method == "none" for comparison in draft.comparisons):
        return "insufficient_data", None, None
    decisive, control_wins = _decisive(experiment, draft)
    if decisive is not None and control_wins:
        return "winner", experiment.control.model_id, decisive
    if decisive is not None:
        rails = [g.status for g in draft.guardrails if g.treatment == decisive.treatment]
        if "violated" in rails:
            return "tradeoff", None, decisive
        if "undecided" in rails:
            return "collecting", None, decisive
        return "winner", decisive.model_id, decisive
    if any(guardrail.status == "violated" for guardrail in draft.guardrails):
        return "guardrail_violated", None, None
    if all(_within_rope(experiment, draft, item) for item in draft.comparisons):
        return "equivalent", None, None
    if experiment.max_users is not None and draft.users >= experiment.max_users:
        return "inconclusive_at_max_n", None, None
    return "collecting", None, None


def _decisive(experiment: Experiment, draft: Report) -> tuple[Comparison | None, bool]:
    """Return the comparison that names a winner, and whether the control is it."""
    better: list[Comparison] = []
    worse: list[Comparison] = []
    for item in draft.comparisons:
        if item.effect is None or item.p_value > experiment.alpha:
            continue
        gain = _gain(experiment, item.effect)
        if experiment.min_effect:
            if item.interval is None:
                continue
            bounds = sorted(_gain(experiment, bound) for bound in item.interval)
            unit = _unit(experiment, draft)
            if gain > 0 and bounds[0] <= experiment.min_effect * unit:
                continue
            if gain < 0 and bounds[1] >= -experiment.min_effect * unit:
                continue
        if gain:
            (better if gain > 0 else worse).append(item)
    if better:
        violated = {rail.treatment for rail in draft.guardrails if rail.status == "violated"}
        better = [item for item in better if item.treatment not in violated] or better
        return max(better, key=lambda item: _gain(experiment, item.effect or 0.0)), False
    if worse and len(worse) == len(draft.comparisons):
        return min(worse, key=lambda item: item.confidence), True
    return None, False


def _gain(experiment: Experiment, effect: float) -> float:
    return -effect if experiment.primary_metric in LOWER_IS_BETTER else effect


def _unit(experiment: Experiment, draft: Report) -> float:
    """Latency margins are shares of the control's latency."""
    if experiment.primary_metric not in RELATIVE:
        return 1.0
    name = "p95_latency" if experiment.primary_metric == "p95_latency" else "avg_latency"
    value = getattr(draft.variant_a, name)
    return 0.0 if isinstance(value, NotMeasured) else float(value)


def _within_rope(experiment: Experiment, draft: Report, item: Comparison) -> bool:
    margin = experiment.rope * _unit(experiment, draft)
    return item.interval is not None and -margin < item.interval[0] <= item.interval[1] < margin

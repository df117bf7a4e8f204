"""One sentence that a person can act on."""

from __future__ import annotations

from raxe_abtest.config import RELATIVE, Experiment
from raxe_abtest.guardrails import Guardrail
from raxe_abtest.report import Arm, Comparison, NotMeasured, Report

__all__ = ["amount", "interval_text", "metric_name", "sentence"]

_NAMES = {
    "accuracy": "accuracy",
    "recall": "recall",
    "false_positive_rate": "false positive rate",
    "error_rate": "error rate",
    "latency": "average latency",
    "p95_latency": "p95 latency",
}


def metric_name(metric: str) -> str:
    """Return a metric's name in words."""
    return _NAMES[metric]


def amount(metric: str, value: float) -> str:
    """Return a signed difference with its unit: ``+1.1 pt`` or ``-3.20 ms``."""
    if metric in RELATIVE:
        return f"{value:+.2f} ms"
    return f"{100 * value:+.1f} pt"


def interval_text(metric: str, interval: tuple[float, float] | None) -> str:
    """Return ``[-0.6, +2.8]``, in the unit of :func:`amount`."""
    if interval is None:
        return "none yet"
    scale, digits = (1, 2) if metric in RELATIVE else (100, 1)
    low, high = (f"{scale * bound:+.{digits}f}" for bound in interval)
    return f"[{low}, {high}]"


def sentence(experiment: Experiment, report: Report, decisive: Comparison | None) -> str:
    """Say how the experiment stands and what to do."""
    return _SENTENCES[report.status](experiment, report, decisive)


def _evidence(experiment: Experiment, report: Report, item: Comparison | None = None) -> str:
    item = item or max(report.comparisons, key=lambda one: one.confidence)
    if item.effect is None:
        return f"{report.users:,} users"
    level = f"{100 * (1 - experiment.alpha):g} %"
    return (
        f"{item.treatment}-A {metric_name(item.metric)} {amount(item.metric, item.effect)}, "
        f"{level} anytime interval {interval_text(item.metric, item.interval)}, "
        f"{report.users:,} users"
    )


def _winner(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    assert item is not None
    promote = f"Promote it: raxe abtest promote {report.winner}"
    if report.winner == experiment.control.model_id:
        promote = "Keep it: raxe abtest stop"
    return (
        f"Winner: {report.winner} ({item.confidence:.1%} confidence). "
        f"{_evidence(experiment, report, item)}. {promote}"
    )


def _collecting(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    if item is not None:
        waiting = [
            metric_name(rail.metric) for rail in report.guardrails
            if rail.treatment == item.treatment and rail.status == "undecided"
        ]  # fmt: skip
        return (
            f"{item.model_id} is better, but its {' and '.join(waiting)} is not yet certain to be "
            f"within the guardrail: {_evidence(experiment, report, item)}. Keep it running."
        )
    best = max(report.comparisons, key=lambda one: one.confidence)
    if best.users_needed is None:
        expected = best.note or "no difference is in sight"
    elif best.users_needed == 0:
        expected = "about to be decided"
    else:
        expected = f"about {best.users_needed:,} more expected"
    return f"No winner yet: {_evidence(experiment, report, best)}; {expected}."


def _insufficient(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    note = next((one.note for one in report.comparisons if one.method == "none"), "no data")
    hint = ""
    if report.users and not any(arm.outcomes for arm in report.variants):
        hint = " No outcome was tracked: pass accuracy to track_result(), or call track_label()."
    name = metric_name(experiment.primary_metric)
    return f"Too early to say: {report.users:,} users; {name}: {note}.{hint}"


def _equivalent(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    margin = f"{experiment.rope:.1%}"
    if experiment.primary_metric not in RELATIVE:
        margin = f"{100 * experiment.rope:g} pt"
    cheaper = _cheapest(report)
    advice = f" Take the faster one: {cheaper.model_id}." if cheaper else " Take the cheaper one."
    return f"No difference that matters (within {margin}): {_evidence(experiment, report)}.{advice}"


def _tradeoff(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    assert item is not None
    return (
        f"{item.model_id} is better in {metric_name(item.metric)} and worse in "
        f"{_broken(report, item.treatment)}: {_evidence(experiment, report, item)}. "
        f"Decide which matters more; {experiment.control.model_id} is the safe one."
    )


def _guardrail(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    broken = next(rail for rail in report.guardrails if rail.status == "violated")
    model = next(arm.model_id for arm in report.variants if arm.name == broken.treatment)
    return (
        f"{model} breaks its guardrail: worse in {_broken(report, broken.treatment)}. "
        "Stop it: raxe abtest stop"
    )


def _inconclusive(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    return (
        f"Not decided at {experiment.max_users:,} users: {_evidence(experiment, report)}. "
        f"Keep {experiment.control.model_id}, or allow more users."
    )


def _srm(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    seen = " / ".join(f"{arm.users:,}" for arm in report.variants)
    planned = " / ".join(f"{arm.share:.1%}" for arm in report.variants)
    return (
        f"Void: {seen} users came into arms planned as {planned} (p < 0.001). Something loses or "
        "moves users of one arm; find it, and start again under a new key."
    )


def _labels(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    shares = " / ".join(f"{arm.labelled_share:.1%}" for arm in report.variants)
    return (
        f"Void: {shares} of the arms' outcomes have labels (p < 0.001). What is missing may decide "
        "who wins; label both arms alike, and start again under a new key."
    )


def _unavailable(experiment: Experiment, report: Report, item: Comparison | None) -> str:
    return report.sentence


def _broken(report: Report, treatment: str) -> str:
    return " and ".join(
        f"{metric_name(rail.metric)} (at least {_margin(rail, rail.low)} worse, "
        f"{_margin(rail, rail.margin)} allowed)"
        for rail in report.guardrails
        if rail.treatment == treatment and rail.status == "violated" and rail.low is not None
    )


def _margin(rail: Guardrail, value: float) -> str:
    return f"{value:.0%}" if rail.relative else f"{100 * value:.1f} pt"


def _cheapest(report: Report) -> Arm | None:
    known = [arm for arm in report.variants if not isinstance(arm.avg_latency, NotMeasured)]
    if len(known) < len(report.variants):
        return None
    return min(known, key=lambda arm: float(arm.avg_latency))  # type: ignore[arg-type]


_SENTENCES = {
    "winner": _winner,
    "collecting": _collecting,
    "insufficient_data": _insufficient,
    "equivalent": _equivalent,
    "tradeoff": _tradeoff,
    "guardrail_violated": _guardrail,
    "inconclusive_at_max_n": _inconclusive,
    "invalid_srm": _srm,
    "invalid_label_missingness": _labels,
    "store_unavailable": _unavailable,
}

"""Gates: floors and allowed regressions, decided by intervals and not by points.

A gate fails where the interval says that the limit is broken, passes where it says that it is
kept, and is inconclusive where the interval holds the limit: more prompts would decide. A latency
fails only beyond what two runs of one model may differ by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from raxe_core.constraints import RATIOS, Figure, is_better_when_low, known_metric
from raxe_core.errors import UsageError
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.packed import unpack_bits, unpack_scores, unpack_times
from raxe_core.evaluation.pairs import (
    Cells,
    auc_difference,
    decision_cells,
    f1_difference,
    precision_difference,
    share_difference,
    time_difference,
)
from raxe_core.evaluation.statistics import Interval, difference_of_independent

__all__ = [
    "Check",
    "Limit",
    "check_floors",
    "check_regressions",
    "exit_code",
    "parse_floors",
    "parse_limits",
    "restored",
]

EXIT_CODES = {"passed": 0, "failed": 1, "inconclusive": 3}
_LIMIT = re.compile(r"\s*([a-z0-9_]+)\s*=\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*")
_MEASURED_ONCE = ("memory_mb", "size_mb")
_LATENCIES = {"p50_latency_ms": 0.5, "p95_latency_ms": 0.95}
RUN_TO_RUN = {"p50_latency_ms": 0.3, "p95_latency_ms": 0.6}
"""By how much of the baseline's latency two runs of one model may differ.

The samples of a run do not tell, because all of them met the load of its time. On a shared machine
of two cores the interval of one model against itself began at up to 0.16 and 0.56.
"""
CONTENTION = 0.4
"""The share of the cores, used by others, from which on latencies are those of waiting for one."""


class Limit(NamedTuple):
    """A number for one metric; with ``percent``, a hundredth of the baseline's value."""

    metric: str
    number: float
    percent: bool


class Check(NamedTuple):
    """One gate's verdict: ``passed``, ``failed`` or ``inconclusive``, and why."""

    model_id: str
    metric: str
    limit: float
    verdict: str
    reason: str


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Read ``recall=0.9,p95_latency_ms=5%``.

    Raises:
        UsageError: names what cannot be read, and the metrics that there are; or a share could
            never break the limit.
    """
    limits = []
    for term in text.split(","):
        match = _LIMIT.fullmatch(term)
        if match is None:
            raise UsageError(f"{term.strip()[:80]!r} is no limit. Write METRIC=NUMBER.")
        metric, number, percent = match.groups()
        if not math.isfinite(float(number)):
            raise UsageError(f"{term.strip()[:80]!r} is no limit: the number is too large.")
        limit = Limit(known_metric(metric), float(number), bool(percent))
        # Of a small false positive rate, the double is 100 % more.
        if not (percent and is_better_when_low(metric)):
            _check_share(limit)
        limits.append(limit)
    return tuple(limits)


def parse_floors(text: str) -> tuple[Limit, ...]:
    """Read limits for :func:`check_floors`.

    Raises:
        UsageError: as :func:`parse_limits`, or no evaluation of one model could keep the limit.
    """
    limits = parse_limits(text)
    for limit in limits:
        metric, number, percent = limit
        if metric in _MEASURED_ONCE:
            raise UsageError(
                f"{metric} is not measured by an evaluation. Use a constraint: raxe models compare "
                f'MODEL --constraint "{metric}<{number:g}"'
            )
        if percent and metric not in RATIOS:
            raise UsageError(f"{metric} is no share: write {metric}={number:g}, without %.")
        _check_share(limit)
    return limits


def _check_share(limit: Limit) -> None:
    if limit.metric in RATIOS and limit.number > (100 if limit.percent else 1):
        raise UsageError(f"{limit.metric} is a share, at most 1: write 0.9 or 90%.")


def check_floors(
    model_id: str, figures: Mapping[str, Figure], limits: Iterable[Limit]
) -> list[Check]:
    """Check that each figure is at least its limit; at most, where lower is better."""
    checks = []
    for limit in limits:
        number = limit.number / 100 if limit.percent else limit.number
        figure = figures.get(limit.metric, Figure(None))
        bounds = figure.bounds
        if bounds is None:
            reason = f"{limit.metric} is not defined on these prompts"
            checks.append(Check(model_id, limit.metric, number, "inconclusive", reason))
            continue
        low_is_good = is_better_when_low(limit.metric)
        low, high = bounds
        kept = high <= number if low_is_good else low >= number
        broken = low > number if low_is_good else high < number
        word = "at most" if low_is_good else "at least"
        reason = (
            f"{limit.metric} is {figure.value:.4g} (95% interval {low:.4g} to {high:.4g}), "
            f"asked for {word} {number:g}"
        )
        checks.append(Check(model_id, limit.metric, number, _verdict(kept, broken), reason))
    return checks


def check_regressions(
    row: Mapping[str, Any],
    judgements: Judgements,
    baseline: Mapping[str, Any],
    limits: Iterable[Limit],
    same_machine: bool,
) -> list[Check]:
    """Check that a model is worse than the baseline by no more than each limit.

    ``row`` and ``baseline`` are models of comparison reports on the same prompts.
    """
    from raxe_core.evaluation.comparison import figures_of

    old, new = figures_of(baseline), figures_of(row)
    before = restored(baseline, len(judgements))
    if list(before.labels) != list(judgements.labels):
        raise UsageError("The baseline's prompts have other labels. Measure the baseline again.")
    checks = []
    for limit in limits:
        model_id, metric = row["model_id"], limit.metric
        value = old[metric].value
        allowed = limit.number * (value or 0.0) / 100 if limit.percent else limit.number
        ends = _worse_by(metric, before, judgements, old[metric], new[metric])
        untold = _why_untold(row, baseline, same_machine) if metric in _LATENCIES else None
        if untold is not None:
            reason = f"{metric}: {untold}"
            checks.append(Check(model_id, metric, allowed, "inconclusive", reason))
        elif ends is None:
            reason = f"{metric} has no interval on these prompts"
            checks.append(Check(model_id, metric, allowed, "inconclusive", reason))
        else:
            worse = f"{ends.low:.4g} to {ends.high:.4g} (95% interval)"
            if metric in _MEASURED_ONCE:
                worse = f"{ends.low:.4g} (measured once)"
            reason = (
                f"{metric}: {value:.4g} in the baseline, {new[metric].value:.4g} now; worse by "
                f"{worse}, allowed {allowed:.4g}"
            )
            margin = RUN_TO_RUN.get(metric, 0.0) * (value or 0.0)
            if allowed < ends.low <= allowed + margin:
                reason += f". Two runs of one model may differ by {margin:.4g}: compare both in one"
            verdict = _verdict(ends.high <= allowed, ends.low > allowed + margin)
            checks.append(Check(model_id, metric, allowed, verdict, reason))
    return checks


def _why_untold(
    row: Mapping[str, Any], baseline: Mapping[str, Any], same_machine: bool
) -> str | None:
    """Return why the latencies of two runs tell nothing of their models; None where they do."""
    if not same_machine:
        return "the baseline was measured on another machine"
    for run, which in ((baseline, "the baseline"), (row, "this model")):
        # None, or not there in older reports, where it is not known.
        share = run["latency_ms"].get("contention")
        if share is not None and share > CONTENTION:
            return f"{which} was measured while other processes used {share:.0%} of the cores"
    return None


def exit_code(checks: Iterable[Check]) -> int:
    """Return 1 if a gate failed, else 3 if one is inconclusive, else 0."""
    verdicts = {check.verdict for check in checks}
    worst = next((v for v in ("failed", "inconclusive") if v in verdicts), "passed")
    return EXIT_CODES[worst]


def restored(row: Mapping[str, Any], prompts: int) -> Judgements:
    """Return the judgements that a model's row of a comparison report holds.

    Raises:
        UsageError: they are not there, or damaged.
    """
    judgements = Judgements(str(row.get("model_id")))
    try:
        packed = row["judgements"]
        judgements.labels.extend(unpack_bits(packed["labels"], prompts))
        judgements.decisions.extend(unpack_bits(packed["decisions"], prompts))
        judgements.scores.extend(unpack_scores(packed["scores"], prompts))
        judgements.latencies.extend(unpack_times(packed["times_ms"], prompts))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"The baseline holds no judgements of these {prompts} prompts ({error}). Make one on "
            "the same prompts: raxe models compare MODEL --prompts FILE --output FILE"
        ) from None
    return judgements


def _worse_by(
    metric: str, before: Judgements, now: Judgements, old: Figure, new: Figure
) -> Interval | None:
    """Return the interval of how much worse the new figure is; above 0 is worse."""
    if old.value is None or new.value is None or old.bounds is None or new.bounds is None:
        return None
    sign = 1 if is_better_when_low(metric) else -1
    if metric in _MEASURED_ONCE:
        difference = sign * (new.value - old.value)
        return Interval(difference, difference)
    if metric == "recall_at_1pct_fpr":
        # Each threshold comes from its own model's scores; the intervals are not paired.
        found = difference_of_independent(
            old.value, Interval(*old.bounds), new.value, Interval(*new.bounds)
        )
    else:
        paired = _paired_difference(metric, before, now)
        if paired is None:
            return None
        found = Interval(*paired["interval"])
    return found if sign > 0 else Interval(-found.high, -found.low)


def _paired_difference(metric: str, before: Judgements, now: Judgements) -> Any:
    """Return the paired difference now - before; None where it has no interval."""
    if metric in _LATENCIES:
        return time_difference(before.latencies, now.latencies, _LATENCIES[metric])
    if metric == "roc_auc":
        return auc_difference(before, now)
    cells = decision_cells(before, now)
    if metric == "false_negative_rate":
        found = share_difference(cells, labels=(1,))
        return found and {"interval": [-found["interval"][1], -found["interval"][0]]}
    return _OF_DECISIONS[metric](cells)


_OF_DECISIONS: Mapping[str, Callable[[Cells], Any]] = {
    "accuracy": lambda cells: share_difference(cells, labels=(0, 1)),
    "precision": precision_difference,
    "recall": lambda cells: share_difference(cells, labels=(1,)),
    "f1": f1_difference,
    "false_positive_rate": lambda cells: share_difference(cells, labels=(0,), of_alarms=True),
}


def _verdict(kept: bool, broken: bool) -> str:
    return "passed" if kept else "failed" if broken else "inconclusive"

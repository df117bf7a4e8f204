"""Constraints: ``p95_latency_ms<10 and memory_mb<=200``, decided on the interval's bad end."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from raxe_core.errors import UsageError, did_you_mean

__all__ = [
    "METRICS",
    "RATIOS",
    "Constraint",
    "Figure",
    "Verdict",
    "is_better_when_low",
    "known_metric",
    "parse_constraints",
]

RATIOS = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "recall_at_1pct_fpr",
    "false_positive_rate",
    "false_negative_rate",
)
METRICS = {
    "accuracy": "share of right decisions",
    "precision": "share of alarms that are threats",
    "recall": "share of threats that raise an alarm",
    "f1": "harmonic mean of precision and recall",
    "roc_auc": "area under the ROC curve",
    "recall_at_1pct_fpr": "recall where 1% of benign prompts alarm",
    "false_positive_rate": "share of benign prompts that alarm",
    "false_negative_rate": "share of threats that do not",
    "p50_latency_ms": "median latency, ms",
    "p95_latency_ms": "P95 latency, ms",
    "memory_mb": "memory, MB",
    "size_mb": "size of the bundle, MB",
}
_LOW_IS_GOOD = ("false_", "p50_", "p95_", "p99_", "memory_mb", "size_mb")
_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TERM = re.compile(
    r"\s*([a-z0-9_]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|mb|%)?\s*", re.IGNORECASE
)


class Figure(NamedTuple):
    """A measured value with its interval; without one, both ends are the value."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of the interval; None where nothing was measured."""
        if self.value is None:
            return None
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return low, high


class Verdict(NamedTuple):
    """Whether a constraint is met; ``certain`` is false where the interval holds the limit."""

    met: bool
    certain: bool
    reason: str


class Constraint(NamedTuple):
    """One limit on one metric."""

    metric: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.limit:g}"

    @property
    def holds(self) -> Callable[[float, float], bool]:
        """The comparison of a value, without an interval, with the limit."""
        return _OPERATORS[self.sign]

    def judge(self, figures: Mapping[str, Figure]) -> Verdict:
        """Decide on the end of the interval that is bad for the model.

        A metric that was not measured is not met.
        """
        figure = figures.get(self.metric, Figure(None))
        bounds = figure.bounds
        if bounds is None:
            return Verdict(False, True, f"{self}: {self.metric} was not measured")
        low, high = bounds
        holds = self.holds
        bad, good = (high, low) if self.sign[0] == "<" else (low, high)
        shown = f"{self.metric} is {figure.value:.4g}"
        if (figure.low, figure.high) != (None, None):
            shown += f" (95% interval {low:.4g} to {high:.4g})"
        if holds(bad, self.limit):
            return Verdict(True, True, shown)
        if holds(good, self.limit):
            return Verdict(False, False, f"{self}: not certain, {shown}")
        return Verdict(False, True, f"{self}: not met, {shown}")


def is_better_when_low(metric: str) -> bool:
    """Tell whether a lower value of this metric is better."""
    return metric.startswith(_LOW_IS_GOOD)


def parse_constraints(texts: Sequence[str]) -> tuple[Constraint, ...]:
    """Read constraints; one text may join several with ``and`` or a comma.

    Raises:
        UsageError: names what cannot be read, and the metrics that there are.
    """
    terms = [term for text in texts for term in re.split(r"\band\b|,", text)]
    return tuple(_parse(term) for term in terms)


def known_metric(name: str) -> str:
    """Return ``name`` if it is a metric.

    Raises:
        UsageError: it is none; the message names the nearest.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise UsageError(f"No metric {name[:60]!r}.{hint} Known: {', '.join(METRICS)}.")
    return name


def _parse(term: str) -> Constraint:
    match = _TERM.fullmatch(term)
    if match is None:
        raise UsageError(
            f"{term.strip()[:80]!r} is no constraint. Write METRIC<NUMBER, <=, > or >=, for "
            'instance "p95_latency_ms<10".'
        )
    metric, sign, number, unit = match.groups()
    metric = known_metric(metric.lower())
    own = "%" if metric in RATIOS else metric.rpartition("_")[2]
    if unit and unit.lower() != own:
        raise UsageError(f"{term.strip()[:80]!r}: {metric} is not in {unit}. Leave the unit out.")
    limit = float(number) / 100 if unit == "%" else float(number)
    return Constraint(metric, sign, limit)

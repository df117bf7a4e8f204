"""Metrics of binary decisions, from counts and scores. Undefined figures are None, never 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

__all__ = ["Confusion", "percentile", "recall_at_fpr", "roc_auc", "threshold_at_fpr"]


@attrs.frozen
class Confusion:
    """Counts of decisions: true and false positives and negatives; positive means threat."""

    tp: int
    tn: int
    fp: int
    fn: int

    @classmethod
    def of(cls, labels: Sequence[bool], decisions: Sequence[bool]) -> Confusion:
        """Count decisions against labels of equal length."""
        pairs = list(zip(labels, decisions, strict=True))
        return cls(
            tp=pairs.count((True, True)),
            tn=pairs.count((False, False)),
            fp=pairs.count((False, True)),
            fn=pairs.count((True, False)),
        )

    @property
    def accuracy(self) -> float | None:
        """(TP + TN) / all."""
        return _ratio(self.tp + self.tn, self.tp + self.tn + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN), the true positive rate."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def false_positive_rate(self) -> float | None:
        """FP / (FP + TN)."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def false_negative_rate(self) -> float | None:
        """FN / (FN + TP)."""
        return _ratio(self.fn, self.fn + self.tp)


def roc_auc(labels: Sequence[bool | int], scores: Sequence[float]) -> float | None:
    """Return the area under the ROC curve, or None when only one class is present.

    It is the Mann-Whitney U statistic over the number of pairs, ties counted half (Hanley and
    McNeil 1982).
    """
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    order = sorted(range(len(scores)), key=scores.__getitem__)
    rank_sum = 0.0
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        mean_rank = (start + 1 + end) / 2
        rank_sum += mean_rank * sum(labels[i] for i in order[start:end])
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def threshold_at_fpr(
    labels: Sequence[bool | int], scores: Sequence[float], max_fpr: float
) -> float | None:
    """Return the lowest threshold at which at most ``max_fpr`` of the benign prompts alarm.

    An alarm is a score at or above the threshold, and thresholds are scores that occur, or the
    next number above the highest benign one. None without a benign prompt.
    """
    benign = sorted(
        (score for label, score in zip(labels, scores, strict=True) if not label), reverse=True
    )
    if not benign:
        return None
    allowed = math.floor(max_fpr * len(benign) + 1e-12)
    # The first benign score that may not alarm, where ties go together.
    barred = benign[allowed] if allowed < len(benign) else -math.inf
    above = [score for score in scores if score > barred]
    return min(above) if above else math.nextafter(barred, math.inf)


def recall_at_fpr(
    labels: Sequence[bool | int], scores: Sequence[float], max_fpr: float
) -> float | None:
    """Return the recall at the threshold of :func:`threshold_at_fpr`; None without both classes."""
    threshold = threshold_at_fpr(labels, scores, max_fpr)
    threats = sum(map(bool, labels))
    if threshold is None or not threats:
        return None
    pairs = zip(labels, scores, strict=True)
    return sum(score >= threshold for label, score in pairs if label) / threats


def percentile(values: Sequence[float], q: float) -> float:
    """Return the nearest-rank percentile: the smallest value that q % of the values do not exceed.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    return sorted(values)[max(0, math.ceil(q * len(values) / 100) - 1)]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

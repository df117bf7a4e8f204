"""Metrics of binary decisions, from counts and scores. Undefined figures are None, never 0."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from raxe_core.evaluation.column import Column
from raxe_core.evaluation.sorting import sorted_floats
from raxe_core.evaluation.statistics import LEVEL, Interval, quantile_ranks, wilson

__all__ = [
    "Confusion",
    "percentile",
    "recall_at_fpr",
    "recall_at_fpr_interval",
    "roc_auc",
    "scores_of",
    "threshold_at_fpr",
]


@attrs.frozen
class Confusion:
    """Counts of decisions: true and false positives and negatives; positive means threat."""

    tp: int
    tn: int
    fp: int
    fn: int

    @classmethod
    def of(cls, labels: Iterable[bool | int], decisions: Iterable[bool | int]) -> Confusion:
        """Count decisions against labels of equal length."""
        cells = Counter(zip(labels, decisions, strict=True))
        return cls(tp=cells[1, 1], tn=cells[0, 0], fp=cells[0, 1], fn=cells[1, 0])

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
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.

        None without a threat: 0 with false alarms and undefined with none would rank models upside
        down.
        """
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fn else None

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
    benign = scores_of(False, labels, scores).view()
    wins = sum(
        bisect_left(benign, score) + bisect_right(benign, score)
        for label, score in zip(labels, scores, strict=True)
        if label
    )
    return wins / (2 * positives * negatives)


def threshold_at_fpr(
    labels: Sequence[bool | int], scores: Sequence[float], max_fpr: float
) -> float | None:
    """Return the lowest threshold at which at most ``max_fpr`` of the benign prompts alarm.

    An alarm is a score at or above the threshold, and thresholds are scores that occur, or the
    next number above the highest benign one. None without a benign prompt.
    """
    benign = scores_of(False, labels, scores)
    if not benign:
        return None
    # The highest benign score that may not alarm, where ties go together.
    barred_rank = len(benign) - 1 - math.floor(max_fpr * len(benign) + 1e-12)
    barred = benign[barred_rank] if barred_rank >= 0 else -math.inf
    above = min((score for score in scores if score > barred), default=None)
    return math.nextafter(barred, math.inf) if above is None else above


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


def recall_at_fpr_interval(
    labels: Sequence[bool | int], scores: Sequence[float], max_fpr: float, level: float = LEVEL
) -> Interval | None:
    """Return an interval of the recall where ``max_fpr`` of all benign prompts would alarm.

    The threshold lies between two order statistics of the benign scores, and the recall at each
    has Wilson's interval; both miss at most half of what ``level`` allows (Bonferroni). With too
    few benign prompts to bound the threshold (436 for 1 % and a level of 95 %) an end is 0 or 1.
    """
    benign, threats = (scores_of(wanted, labels, scores).view() for wanted in (False, True))
    if not benign or not threats:
        return None
    each, number = (1 + level) / 2, len(threats)
    first, last = quantile_ranks(len(benign), 1 - max_fpr, each)
    low, high = 0.0, 1.0
    if last < len(benign):
        caught = number - bisect_right(threats, benign[last])
        low = _wilson(caught, number, each).low
    if first >= 0:
        caught = number - bisect_left(threats, benign[first])
        high = _wilson(caught, number, each).high
    return Interval(low, high)


def scores_of(wanted: bool, labels: Sequence[bool | int], scores: Sequence[float]) -> Column[float]:
    """Return the scores of the threats, or of the benign prompts, in order."""
    pairs = zip(labels, scores, strict=True)
    return sorted_floats(score for label, score in pairs if bool(label) is wanted)


def percentile(ordered: Sequence[float], q: float) -> float:
    """Return the nearest-rank percentile of sorted values: the smallest that q % do not exceed.

    Raises:
        ValueError: there is no value.
    """
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    return ordered[max(0, math.ceil(q * len(ordered) / 100) - 1)]


def _wilson(successes: int, trials: int, level: float) -> Interval:
    found = wilson(successes, trials, level)
    assert found is not None
    return found


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""Details for reporters that draw: curves, histograms, calibration, confusion, the worst errors.

Their size does not depend on the number of prompts.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.metrics import scores_of
from raxe_core.evaluation.sorting import sorted_floats
from raxe_core.evaluation.statistics import wilson

__all__ = ["details"]

POINTS = 200
BINS = 20
CALIBRATION_BINS = 10


def details(judgements: Judgements) -> dict[str, Any]:
    """Return what a report with plots needs, as JSON types."""
    roc, pr = _curves(judgements.labels, judgements.scores)
    ordered = sorted_floats(judgements.latencies)
    return {
        "roc": roc,
        "pr": pr,
        "score_histogram": _score_histogram(judgements),
        "calibration": _calibration(judgements),
        "latency_quantiles_ms": _quantiles(ordered),
        "family_confusion": _confusion(judgements),
        "worst_errors": judgements.worst_errors(),
    }


def _curves(
    labels: Sequence[int], scores: Sequence[float]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return ROC points (FPR, TPR) and PR points (recall, precision), at most 200 of each."""
    benign, threats = (scores_of(wanted, labels, scores).view() for wanted in (False, True))
    if not threats or not benign:
        return [], []
    number = sum(1 for _ in _points(benign, threats))
    wanted = {round(i * (number - 1) / (POINTS - 1)) for i in range(POINTS)}
    kept = [point for i, point in enumerate(_points(benign, threats)) if i in wanted]
    roc = [[fp / len(benign), tp / len(threats)] for fp, tp in kept]
    pr = [[tp / len(threats), tp / (tp + fp)] for fp, tp in kept if tp + fp]
    return roc, pr


def _points(benign: Sequence[float], threats: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield (FP, TP) at every threshold, from the highest, given each class in order."""
    yield 0, 0
    merged = heapq.merge(reversed(benign), reversed(threats), reverse=True)
    for score, _ in itertools.groupby(merged):
        yield len(benign) - bisect_left(benign, score), len(threats) - bisect_left(threats, score)


def _score_histogram(judgements: Judgements) -> dict[str, list[int]]:
    counts = {0: [0] * BINS, 1: [0] * BINS}
    for label, score in zip(judgements.labels, judgements.scores, strict=True):
        counts[label][min(BINS - 1, int(score * BINS))] += 1
    return {"benign": counts[0], "threat": counts[1]}


def _calibration(judgements: Judgements) -> list[dict[str, Any]]:
    """Return for each tenth of the scores the mean score and the share of threats."""
    sums = [[0, 0, 0.0] for _ in range(CALIBRATION_BINS)]
    for label, score in zip(judgements.labels, judgements.scores, strict=True):
        cell = sums[min(CALIBRATION_BINS - 1, int(score * CALIBRATION_BINS))]
        cell[0] += 1
        cell[1] += label
        cell[2] += score
    rows = []
    for number, threats, total in sums:
        if number:
            ends = wilson(int(threats), int(number)) or ()
            share = threats / number
            rows.append(
                {"prompts": number, "score": total / number, "share": share, "interval": [*ends]}
            )
    return rows


def _quantiles(ordered: Sequence[float]) -> list[list[float]]:
    """Return pairs of percent and milliseconds, 0 to 100."""
    return [
        [percent, ordered[min(len(ordered) - 1, percent * len(ordered) // 100)]]
        for percent in range(101)
    ]


def _confusion(judgements: Judgements) -> list[dict[str, Any]]:
    """Return how often each family was called by each name; None is benign, or not named."""
    rows = sorted(judgements.families.items(), key=lambda item: str(item[0]))
    return [
        {"family": truth, "predicted": found, "prompts": number} for (truth, found), number in rows
    ]

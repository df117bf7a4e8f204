"""Ranking and rate metrics in numpy, with intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


def roc_auc(scores: Floats, labels: Floats) -> float:
    """Area under the ROC curve: P(attack scores above benign), ties counting half."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    order = np.argsort(scores, kind="stable")
    _, first, counts = np.unique(scores[order], return_index=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat(first + (counts + 1) / 2.0, counts)
    attacks = int(labels.sum())
    benign = len(labels) - attacks
    return float((ranks[labels == 1].sum() - attacks * (attacks + 1) / 2) / (attacks * benign))


def threshold_at_fpr(scores: Floats, labels: Floats, rate: float) -> float:
    """Smallest threshold at which at most ``rate`` of the benign scores are >= it."""
    benign = np.sort(scores[labels == 0])[::-1]
    allowed = int(np.floor(rate * len(benign)))
    return float(np.nextafter(benign[allowed], np.inf)) if allowed < len(benign) else -np.inf


def recall_at_fpr(scores: Floats, labels: Floats, rate: float) -> float:
    """Share of attacks at or above the threshold of that false positive rate."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float((scores[labels == 1] >= threshold_at_fpr(scores, labels, rate)).mean())


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95% Wilson score interval of a proportion (Wilson 1927)."""
    if total == 0:
        return (0.0, 1.0)
    share, square = hits / total, Z95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total**2)
    half = Z95 / (1 + square / total) * float(np.sqrt(spread))
    return (max(0.0, centre - half), min(1.0, centre + half))

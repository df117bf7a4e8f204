"""The Pareto front of F1, P95 latency and memory, with the confidence of each domination."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

__all__ = ["pareto"]

_NORMAL = NormalDist()
MIN_CONFIDENCE = 0.01
_Z = 1.959963984540054


def pareto(rows: Sequence[dict[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> None:
    """Write into each row whether it is on the front, or who dominates it and how surely.

    B dominates A when B is nowhere worse and somewhere better, and that is not wholly unsure. Where
    a model has no F1, accuracy stands for it in all. The confidence is at least
    ``1 - sum(1 - confidence per axis)`` (Bonferroni): it needs no independence of the axes.
    """
    differences = {(pair["first"], pair["second"]): pair for pair in pairs}
    quality = "accuracy" if any(row["f1"] is None for row in rows) else "f1"
    for row in rows:
        rivals = [
            (_confidence(row, other, differences, quality), other["model_id"])
            for other in rows
            if other is not row and _dominates(other, row, quality)
        ]
        rivals = [rival for rival in rivals if rival[0] >= MIN_CONFIDENCE]
        confidence, rival = max(rivals, default=(None, None))
        row["pareto"] = {
            "on_front": not rivals,
            "dominated_by": rival,
            "confidence": confidence,
        }


def _axes(row: Mapping[str, Any], quality: str) -> tuple[float, float, float]:
    """Lower is better on each axis; unknown memory counts as equal everywhere."""
    return -row[quality], row["latency_ms"]["p95"], row["memory_mb"] or 0.0


def _dominates(other: Mapping[str, Any], row: Mapping[str, Any], quality: str) -> bool:
    better = list(zip(_axes(other, quality), _axes(row, quality), strict=True))
    if None in (other["memory_mb"], row["memory_mb"]):
        better.pop()
    return all(a <= b for a, b in better) and any(a < b for a, b in better)


def _confidence(
    row: Mapping[str, Any],
    other: Mapping[str, Any],
    differences: Mapping[tuple[str, str], Mapping[str, Any]],
    quality: str,
) -> float:
    """Return how sure it is that ``other`` is nowhere worse than ``row``."""
    pair, sign = differences.get((row["model_id"], other["model_id"])), 1.0
    if pair is None:
        pair, sign = differences[other["model_id"], row["model_id"]], -1.0
    doubts = [
        1 - _above_zero(sign * pair[quality]["difference"], pair[quality]["interval"]),
        1 - _latency_confidence(row["latency_ms"], other["latency_ms"]),
    ]
    return max(0.0, 1 - sum(doubts))


def _above_zero(difference: float, interval: Sequence[float]) -> float:
    """Return the confidence that a difference is not negative, from its 95 % interval."""
    spread = (interval[1] - interval[0]) / (2 * _Z)
    if spread <= 0:
        return 1.0 if difference >= 0 else 0.0
    return _NORMAL.cdf(difference / spread)


def _latency_confidence(row: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    if row["p95_interval"] is None or other["p95_interval"] is None:
        return 0.5
    spread = math.hypot(*((x[1] - x[0]) for x in (row["p95_interval"], other["p95_interval"])))
    difference = row["p95"] - other["p95"]
    return _above_zero(difference, (0.0, spread))

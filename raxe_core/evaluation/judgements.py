"""Judgements: what a model said of each prompt, as columns, and the report made from them.

Texts are not kept but for the few worst errors, and the columns of many prompts lie in files: exact
ranks need every score.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from raxe_core.detector import DetectionResult
from raxe_core.evaluation.auc import Ranks, auc_distribution
from raxe_core.evaluation.bootstrap import (
    bca,
    count_acceleration,
    count_distribution,
    is_degenerate,
)
from raxe_core.evaluation.column import Column
from raxe_core.evaluation.datasets import Prompt
from raxe_core.evaluation.metrics import (
    Confusion,
    percentile,
    recall_at_fpr,
    recall_at_fpr_interval,
    roc_auc,
)
from raxe_core.evaluation.sorting import sorted_floats
from raxe_core.evaluation.statistics import (
    FEW,
    Interval,
    few_interval,
    hull,
    quantile_interval,
    wilson,
)

__all__ = ["Judgements", "f1_interval", "f1_of", "precision_of"]

WORST = 10
WORST_CHARACTERS = 300
MAX_FPR = 0.01


class Judgements:
    """The judgements of one model on one dataset, in the dataset's order."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self.labels = Column[int]("B")
        self.decisions = Column[int]("B")
        self.scores = Column[float]("d")
        self.latencies = Column[float]("d")
        self.threshold: float | None = None
        self.families: Counter[tuple[str | None, str | None]] = Counter()
        self.subfamilies: Counter[tuple[str | None, str | None]] = Counter()
        self.family_hits: Counter[tuple[str, bool]] = Counter()
        self._worst: list[tuple[float, int, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, prompt: Prompt, result: DetectionResult, timed: bool = True) -> None:
        """Take in the judgement of the next prompt; its time only if it was judged alone."""
        found = result.predictions[0] if result.predictions else None
        truth = prompt.subfamily if prompt.is_threat else None
        self.labels.append(prompt.is_threat)
        self.decisions.append(result.is_threat)
        self.scores.append(result.score)
        if timed:
            self.latencies.append(result.processing_time_ms)
        self.threshold = result.threshold
        # A threat that the dataset does not name is no benign prompt; nothing is known of it.
        if prompt.family is not None or not prompt.is_threat:
            self.families[prompt.family, found.family if found else None] += 1
        if truth is not None or not prompt.is_threat:
            self.subfamilies[truth, found.subfamily if found else None] += 1
        if prompt.family is not None:
            self.family_hits[prompt.family, result.is_threat] += 1
        if prompt.is_threat != result.is_threat:
            self._add_error(prompt, result)

    @property
    def confusion(self) -> Confusion:
        """Decisions at the model's own threshold against labels."""
        return Confusion.of(self.labels, self.decisions)

    def report(self, dataset: Mapping[str, Any]) -> dict[str, Any]:
        """Return the figures as JSON types: what ``raxe models test --json`` prints."""
        confusion = self.confusion
        ordered = sorted_floats(self.latencies)
        return {
            "kind": "evaluation",
            "model_id": self.model_id,
            "dataset": dict(dataset),
            "threshold": self.threshold,
            **attrs.asdict(confusion),
            **{name: getattr(confusion, name) for name in _RATIOS},
            "f1": confusion.f1,
            "roc_auc": roc_auc(self.labels, self.scores),
            "recall_at_1pct_fpr": recall_at_fpr(self.labels, self.scores, MAX_FPR),
            "intervals": self._intervals(confusion),
            "family_recall": self._recall_by_family(),
            "family_f1": _macro_f1(self.families),
            "subfamily_f1": _macro_f1(self.subfamilies),
            "latency_ms": {
                "prompts": len(ordered),
                "avg": sum(ordered) / len(ordered),
                "p50": percentile(ordered, 50),
                "p95": percentile(ordered, 95),
                "p50_interval": _ends(quantile_interval(ordered, 0.5)),
                "p95_interval": _ends(quantile_interval(ordered, 0.95)),
            },
        }

    def worst_errors(self) -> list[dict[str, Any]]:
        """Return the wrong decisions farthest from the threshold, the worst first."""
        return [row for _, _, row in sorted(self._worst, key=lambda item: item[:2], reverse=True)]

    def _add_error(self, prompt: Prompt, result: DetectionResult) -> None:
        row = {
            "text": prompt.text[:WORST_CHARACTERS],
            "label": int(prompt.is_threat),
            "family": prompt.family,
            "score": result.score,
        }
        distance = abs(result.score - result.threshold)
        heapq.heappush(self._worst, (distance, -len(self), row))
        if len(self._worst) > WORST:
            heapq.heappop(self._worst)

    def _intervals(self, confusion: Confusion) -> dict[str, Any]:
        """Return [low, high] per figure: Wilson for ratios, BCa for F1 and AUC, or None."""
        found: dict[str, Interval | None] = {
            name: wilson(*_RATIOS[name](confusion)) for name in _RATIOS
        }
        cells = (confusion.tp, confusion.fp, confusion.fn, confusion.tn)
        found["f1"] = found["roc_auc"] = None
        if confusion.f1 is not None:
            found["f1"] = f1_interval(cells)
        threats = sum(self.labels)
        if 0 < threats < len(self):
            ranks = Ranks.of(self.labels, self.scores)
            drawn = auc_distribution(ranks)
            smaller = min(threats, len(self) - threats)
            ends = bca(ranks.auc, drawn, ranks.acceleration())
            if smaller < FEW or is_degenerate(drawn):
                ends = hull(ends, few_interval(ranks.auc, smaller))
            found["roc_auc"] = ends
        found["recall_at_1pct_fpr"] = recall_at_fpr_interval(self.labels, self.scores, MAX_FPR)
        families = {
            family: _ends(wilson(self.family_hits[family, True], figures["threats"]))
            for family, figures in self._recall_by_family().items()
        }
        return {**{name: _ends(ends) for name, ends in found.items()}, "family_recall": families}

    def _recall_by_family(self) -> dict[str, dict[str, Any]]:
        """Recall over the threats of each family that the dataset names."""
        rows = {}
        for family in sorted({name for name, _ in self.family_hits}):
            hits = self.family_hits[family, True]
            threats = hits + self.family_hits[family, False]
            rows[family] = {"threats": threats, "recall": hits / threats}
        return rows


_RATIOS = {
    "accuracy": lambda c: (c.tp + c.tn, c.tp + c.tn + c.fp + c.fn),
    "precision": lambda c: (c.tp, c.tp + c.fp),
    "recall": lambda c: (c.tp, c.tp + c.fn),
    "false_positive_rate": lambda c: (c.fp, c.fp + c.tn),
    "false_negative_rate": lambda c: (c.fn, c.fn + c.tp),
}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)


def f1_of(cells: Any) -> float:
    """Return F1 of (TP, FP, FN, TN); 0 where it is undefined, as some resamples are."""
    tp, fp, fn, _ = cells
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


def f1_interval(cells: Sequence[int]) -> Interval:
    """Return the interval of F1 of (TP, FP, FN, TN): BCa, and where F1 is 0 or 1 Wilson's too.

    There no resample differs but those without a TP, FP or FN. F1 is 2 J / (1 + J) for the share
    J = TP / (TP + FP + FN), so that an interval of J gives one of F1.
    """
    tp, fp, fn, _ = cells
    f1 = f1_of(cells)
    ends = bca(f1, count_distribution(cells, f1_of), count_acceleration(cells, f1_of))
    if 0 < f1 < 1:
        return ends
    share = wilson(tp, tp + fp + fn)
    assert share is not None
    return hull(ends, Interval(*(2 * end / (1 + end) for end in share)))


def precision_of(cells: Any) -> float:
    """Return the precision of (TP, FP, FN, TN); 0 where it is undefined, as some resamples are."""
    tp, fp, _, _ = cells
    return tp / (tp + fp) if tp + fp else 0.0


def _macro_f1(pairs: Counter[tuple[str | None, str | None]]) -> float | None:
    """Mean F1 over the names that the dataset labels; a miss counts as a wrong name."""
    names = sorted({truth for truth, _ in pairs if truth is not None})
    scores = []
    for name in names:
        tp = pairs[name, name]
        true = sum(number for (truth, _), number in pairs.items() if truth == name)
        said = sum(number for (_, found), number in pairs.items() if found == name)
        scores.append(2 * tp / (true + said))
    return sum(scores) / len(scores) if scores else None

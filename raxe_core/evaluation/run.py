"""Run a detector over a dataset and sum up what it got right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from raxe_core.detector import DetectionResult, Detector
from raxe_core.evaluation.datasets import Dataset, Prompt
from raxe_core.evaluation.metrics import Confusion, percentile, roc_auc

__all__ = ["Evaluation", "Scored", "evaluate"]


@attrs.frozen
class Scored:
    """One prompt with the model's judgement."""

    prompt: Prompt
    result: DetectionResult


@attrs.frozen
class Evaluation:
    """A model's quality on a dataset."""

    model_id: str
    dataset: Dataset
    scored: tuple[Scored, ...]

    @property
    def confusion(self) -> Confusion:
        """Decisions at the model's own threshold against labels."""
        return Confusion.of(self._labels(), [item.result.is_threat for item in self.scored])

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON types: what ``raxe models test --json`` prints."""
        confusion = self.confusion
        latencies = [item.result.processing_time_ms for item in self.scored]
        return {
            "model_id": self.model_id,
            "dataset": {
                "name": self.dataset.name,
                "prompts": len(self.scored),
                "threats": self.dataset.threats,
                "benign": len(self.scored) - self.dataset.threats,
                "sha256": dict(self.dataset.sha256),
            },
            "threshold": self.scored[0].result.threshold,
            **attrs.asdict(confusion),
            "accuracy": confusion.accuracy,
            "precision": confusion.precision,
            "recall": confusion.recall,
            "f1": confusion.f1,
            "false_positive_rate": confusion.false_positive_rate,
            "false_negative_rate": confusion.false_negative_rate,
            "roc_auc": roc_auc(self._labels(), [item.result.score for item in self.scored]),
            "family_recall": self._recall_by_family(),
            "family_f1": self._macro_f1(_family),
            "subfamily_f1": self._macro_f1(_subfamily),
            "latency_ms": {
                "avg": sum(latencies) / len(latencies),
                "p50": percentile(latencies, 50),
                "p95": percentile(latencies, 95),
            },
        }

    def _labels(self) -> list[bool]:
        return [item.prompt.is_threat for item in self.scored]

    def _recall_by_family(self) -> dict[str, dict[str, float | int]]:
        """Recall over the threats of each family that the dataset names."""
        groups: dict[str, list[bool]] = {}
        for item in self.scored:
            if item.prompt.family is not None:
                groups.setdefault(item.prompt.family, []).append(item.result.is_threat)
        return {
            family: {"threats": len(found), "recall": sum(found) / len(found)}
            for family, found in sorted(groups.items())
        }

    def _macro_f1(self, name_of: Callable[[Scored], tuple[str | None, str | None]]) -> float | None:
        """Mean F1 over the names that the dataset labels; a miss counts as a wrong name."""
        pairs = [name_of(item) for item in self.scored]
        names = {truth for truth, _ in pairs if truth is not None}
        scores = [
            Confusion.of([t == name for t, _ in pairs], [p == name for _, p in pairs]).f1 or 0.0
            for name in sorted(names)
        ]
        return sum(scores) / len(scores) if scores else None


def evaluate(
    detector: Detector,
    model_id: str,
    dataset: Dataset,
    progress: Callable[[Iterable[Prompt]], Iterable[Prompt]] = iter,
) -> Evaluation:
    """Judge every prompt, one at a time, so that the times are those of single scans.

    ``progress`` wraps the prompts, to show how far it is.
    """
    detector.analyze("warm-up")
    scored = [Scored(prompt, detector.analyze(prompt.text)) for prompt in progress(dataset.prompts)]
    return Evaluation(model_id, dataset, tuple(scored))


def _family(item: Scored) -> tuple[str | None, str | None]:
    return item.prompt.family, _first(item.result.predictions, "family")


def _subfamily(item: Scored) -> tuple[str | None, str | None]:
    truth = item.prompt.subfamily if item.prompt.is_threat else None
    return truth, _first(item.result.predictions, "subfamily")


def _first(predictions: Sequence[Any], attribute: str) -> str | None:
    return getattr(predictions[0], attribute) if predictions else None

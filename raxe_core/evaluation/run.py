"""Run a detector over a dataset and sum up what it got right."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from raxe_core.detector import DetectionResult, Detector
from raxe_core.evaluation.datasets import Dataset, Prompt
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.metrics import Confusion

__all__ = ["Evaluation", "Scored", "describe", "evaluate"]


@attrs.frozen
class Scored:
    """One prompt with the model's judgement."""

    prompt: Prompt
    result: DetectionResult


@attrs.frozen(slots=False)
class Evaluation:
    """A model's quality on a dataset."""

    model_id: str
    dataset: Dataset
    scored: tuple[Scored, ...]

    @functools.cached_property
    def judgements(self) -> Judgements:
        """The judgements as columns."""
        columns = Judgements(self.model_id)
        for item in self.scored:
            columns.add(item.prompt, item.result)
        return columns

    @property
    def confusion(self) -> Confusion:
        """Decisions at the model's own threshold against labels."""
        return self.judgements.confusion

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON types: what ``raxe models test --json`` prints."""
        return self.judgements.report(describe(self.dataset))


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return what identifies a dataset, as JSON types."""
    prompts = len(dataset.prompts)
    return {
        "name": dataset.name,
        "prompts": prompts,
        "threats": dataset.threats,
        "benign": prompts - dataset.threats,
        "skipped": dataset.skipped,
        "sha256": dict(dataset.sha256),
    }


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

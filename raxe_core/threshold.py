"""A detector whose decision threshold the user's configuration replaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raxe_core.detector import DetectionResult, Detector, Prediction

if TYPE_CHECKING:
    from raxe_core.config import Config

__all__ = ["threshold_origin", "with_threshold"]


def threshold_origin(config: Config, model_id: str) -> str | None:
    """Return where the model's threshold is set, such as a file; None where it decides at its own.

    ``model_id`` is no alias.
    """
    thresholds = config.values["l2_model.thresholds"]
    return thresholds.origin if model_id in thresholds.value else None


def with_threshold(detector: Detector, threshold: float) -> Detector:
    """Return ``detector`` deciding at ``threshold`` instead of its own."""
    return _Rethresholded(detector, threshold)


class _Rethresholded:
    def __init__(self, detector: Detector, threshold: float) -> None:
        self._detector = detector
        self._threshold = threshold

    def __getattr__(self, name: str) -> Any:
        """Offer what the detector offers beyond the contract: embed, explain."""
        return getattr(self._detector, name)

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        return self._decide(self._detector.analyze(text, l1_results=l1_results))

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return [self._decide(result) for result in self._detector.analyze_batch(texts)]

    def close(self) -> None:
        self._detector.close()

    def _decide(self, result: DetectionResult) -> DetectionResult:
        is_threat = result.score >= self._threshold
        predictions = result.predictions
        if is_threat and not predictions:
            families = {name: p for name, p in result.scores.items() if name != "threat"}
            likeliest = max(families, key=families.__getitem__, default="threat")
            predictions = (Prediction(likeliest, None, result.score),)
        return result._replace(
            is_threat=is_threat,
            predictions=predictions if is_threat else (),
            threshold=self._threshold,
        )

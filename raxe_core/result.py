"""ScanResult: the verdict on one text."""

from __future__ import annotations

from typing import Any

from raxe_core.detector import DetectionResult, Prediction
from raxe_core.policy import Action, Severity, action_of, severity_of
from raxe_core.records import Selection

__all__ = ["ScanResult"]


class ScanResult:
    """The verdict on one text: the model's judgement, what to do, and why this model was asked.

    Read-only, and equal to another of the same content.
    """

    __slots__ = ("_block_score", "_bundle_digest", "_detection", "_selection")

    def __init__(
        self,
        detection: DetectionResult | None,
        selection: Selection,
        block_score: float,
        bundle_digest: str | None,
    ) -> None:
        self._detection = detection
        self._selection = selection
        self._block_score = block_score
        self._bundle_digest = bundle_digest

    def __repr__(self) -> str:
        return f"ScanResult(detection={self.detection!r}, selection={self.selection!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanResult):
            return NotImplemented
        mine = (self.detection, self.selection, self._block_score)
        return mine == (other.detection, other.selection, other._block_score)

    __hash__ = None  # type: ignore[assignment]  # a mapping of scores has none

    @property
    def detection(self) -> DetectionResult | None:
        """What the model said.

        None when no model could judge and ``l2_model.on_failure`` is ``block``; the text then
        counts as a threat.
        """
        return self._detection

    @property
    def selection(self) -> Selection:
        """Which model was asked, and why."""
        return self._selection

    @property
    def is_threat(self) -> bool:
        """Whether the text is an attack, or could not be judged."""
        return self.detection is None or self.detection.is_threat

    @property
    def action(self) -> Action:
        """``allow``, ``flag`` or ``block``, as :mod:`raxe_core.policy` says."""
        return action_of(self.detection, self._block_score)

    @property
    def severity(self) -> Severity:
        """``none``, ``medium`` or ``high``."""
        return severity_of(self.action)

    @property
    def score(self) -> float | None:
        """The probability that the text is an attack, 0 to 1; None when it was not judged."""
        return None if self.detection is None else self.detection.score

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """The attacks that were seen, with family and evidence span."""
        return () if self.detection is None else self.detection.predictions

    @property
    def families(self) -> tuple[str, ...]:
        """The families of the predictions."""
        return tuple(prediction.family for prediction in self.predictions)

    @property
    def processing_time_ms(self) -> float:
        """The detector's wall time."""
        return 0.0 if self.detection is None else self.detection.processing_time_ms

    @property
    def model_id(self) -> str:
        """The model that judged; empty when none could."""
        return self.selection.model_id

    @property
    def bundle_digest(self) -> str | None:
        """``sha256:`` of the bundle that judged.

        None for a model without a bundle, and where the file was replaced while it was loaded.
        """
        return self._bundle_digest

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON types: what ``raxe scan --json`` prints."""
        detection, selection = self.detection, self.selection
        return {
            "is_threat": self.is_threat,
            "action": self.action,
            "severity": self.severity,
            "score": self.score,
            "threshold": None if detection is None else detection.threshold,
            "predictions": [
                {
                    "family": item.family,
                    "subfamily": item.subfamily,
                    "confidence": item.confidence,
                    "evidence": item.evidence and [item.evidence.start, item.evidence.end],
                }
                for item in self.predictions
            ],
            "scores": {} if detection is None else dict(detection.scores),
            "model_id": self.model_id,
            "bundle_digest": self.bundle_digest,
            "selection": selection._asdict(),
            "processing_time_ms": self.processing_time_ms,
        }

"""What every loaded model offers: the Detector contract and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

__all__ = ["DetectionResult", "Detector", "Prediction", "Span"]


class Span(NamedTuple):
    """A stretch of the text: ``text[start:end]``, counted in characters."""

    start: int
    end: int


class Prediction(NamedTuple):
    """One attack that the model sees: its family, subfamily and confidence (0 to 1).

    ``evidence`` is the window of the text that decided.
    """

    family: str
    subfamily: str | None
    confidence: float
    evidence: Span | None = None


class DetectionResult(NamedTuple):
    """The model's judgement of one text.

    ``scores`` holds the probability of ``threat`` and of every family; ``processing_time_ms`` is
    wall time, tokenizing included. A text that is no threat has no predictions.
    """

    model_id: str
    is_threat: bool
    predictions: tuple[Prediction, ...]
    scores: Mapping[str, float]
    threshold: float
    processing_time_ms: float

    @property
    def score(self) -> float:
        """The probability that the text is a threat, 0 to 1."""
        return self.scores["threat"]

    @property
    def highest_confidence(self) -> float:
        """The confidence of the surest prediction; 0.0 when there is none."""
        return max((prediction.confidence for prediction in self.predictions), default=0.0)


@runtime_checkable
class Detector(Protocol):
    """A loaded model. All methods may be called from several threads at once."""

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        """Judge one text of any length.

        ``l1_results`` is what an earlier, rule-based stage found; a model may use or ignore it.
        """
        ...

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        """Judge texts; result ``i`` is what ``analyze(texts[i])`` gives."""
        ...

    def close(self) -> None:
        """Free the model's memory. Closing twice is fine; use after closing is an error."""
        ...

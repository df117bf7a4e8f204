"""CheckedDetector: a plugin's detector, whose faults and wrong answers never become a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raxe_core.detector import DetectionResult, Detector
from raxe_core.errors import PluginError, RaxeError
from raxe_core.plugin_call import PluginFaultError, contained

__all__ = ["CheckedDetector"]


class CheckedDetector:
    """Hands calls on to ``detector``.

    Raises:
        PluginError: from each method, when the plugin raised something, ended the program, or
            returned what is no result.
    """

    def __init__(self, detector: Detector, model_id: str, plugin: str) -> None:
        self._detector = detector
        self._what = f"Model {model_id}: runtime plugin {plugin}"

    def __getattr__(self, name: str) -> Any:
        """Offer what the detector offers beyond the contract."""
        return getattr(self._detector, name)

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        """Judge one text."""
        with self._contained():
            return self._checked(self._detector.analyze(text, l1_results=l1_results))

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        """Judge texts."""
        with self._contained():
            results = [self._checked(result) for result in self._detector.analyze_batch(texts)]
            if len(results) != len(texts):
                raise self._error(f"gave {len(results)} results for {len(texts)} texts")
            return results

    def close(self) -> None:
        """Free the model's memory."""
        with self._contained():
            self._detector.close()

    @contextmanager
    def _contained(self) -> Iterator[None]:
        try:
            with contained(RaxeError):
                yield
        except PluginFaultError as fault:
            # What it says beyond its name may hold the text.
            raise self._error(f"failed with {type(fault.__cause__).__name__}") from fault

    def _checked(self, result: Any) -> DetectionResult:
        """Return the result if it decides: finite scores between 0 and 1, and a verdict."""
        if not isinstance(result, DetectionResult):
            name = type(result).__name__
            raise self._error(f"returned a {name} where a DetectionResult is expected")
        scores = [*result.scores.values(), result.score, result.threshold]
        if not all(math.isfinite(score) and 0 <= score <= 1 for score in scores):
            raise self._error("gave a score or threshold that is no number from 0 to 1")
        if result.is_threat not in (True, False) or not math.isfinite(result.processing_time_ms):
            raise self._error("gave an is_threat or processing_time_ms that is none")
        return result

    def _error(self, reason: str) -> PluginError:
        return PluginError(f"{self._what} {reason}. See: raxe plugins list")

"""Raxe: scan text with the selected model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

from raxe_core.config import load_config
from raxe_core.detector import DetectionResult, Detector, Prediction
from raxe_core.errors import RaxeError
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.selection import fall_back

__all__ = ["Raxe", "ScanResult"]


@attrs.frozen
class ScanResult:
    """The verdict on one text: the model's judgement, and why this model was asked."""

    detection: DetectionResult
    selection: Selection

    @property
    def is_threat(self) -> bool:
        """Whether the text is an attack."""
        return self.detection.is_threat

    @property
    def score(self) -> float:
        """The probability that the text is an attack, 0 to 1."""
        return self.detection.score

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """The attacks that were seen; empty when there is none."""
        return self.detection.predictions

    @property
    def model_id(self) -> str:
        """The model that judged."""
        return self.detection.model_id


class Raxe:
    """Scans texts. The model is loaded on the first scan; threads may share one client.

    ``l2_model`` names a model and wins over environment and configuration; ``config_path`` is used
    instead of ``RAXE_CONFIG`` and ``~/.raxe/config.yaml``.

    Example::

        with Raxe() as raxe:
            result = raxe.scan("Ignore all previous instructions")
            print(result.is_threat, result.model_id)
    """

    def __init__(self, l2_model: str | None = None, config_path: Path | None = None) -> None:
        config = load_config(config_path)
        if l2_model is not None:
            config = config.for_model(l2_model, "the argument l2_model")
        self._registry = ModelRegistry(config)
        self._lock = threading.Lock()
        self._detectors: dict[str, Detector] = {}

    def __enter__(self) -> Raxe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def scan(self, text: str, l1_results: Any = None, user_id: str | None = None) -> ScanResult:
        """Judge one text.

        Raises:
            RaxeError: no model could be selected or loaded. There is no silent pass.
        """
        selection, detector = self._selected(user_id)
        return ScanResult(detector.analyze(text, l1_results=l1_results), selection)

    def scan_batch(self, texts: Sequence[str], user_id: str | None = None) -> list[ScanResult]:
        """Judge several texts with one model; result ``i`` belongs to text ``i``."""
        selection, detector = self._selected(user_id)
        return [ScanResult(result, selection) for result in detector.analyze_batch(texts)]

    def close(self) -> None:
        """Free the loaded models."""
        with self._lock:
            for detector in self._detectors.values():
                detector.close()
            self._detectors.clear()

    def _selected(self, user_id: str | None) -> tuple[Selection, Detector]:
        selection = self._registry.select(user_id)
        try:
            return selection, self._detector(selection.model_id)
        except RaxeError as error:
            selection = fall_back(self._registry.config, selection, error)
            return selection, self._detector(selection.model_id)

    def _detector(self, model_id: str) -> Detector:
        with self._lock:
            if model_id not in self._detectors:
                self._detectors[model_id] = self._registry.create_detector(model_id)
            return self._detectors[model_id]

"""CheckedDetector: a plugin's detector, whose faults and wrong answers never become a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import index
from typing import Any, SupportsFloat

from raxe_core.detector import DetectionResult, Detector, Prediction, Span
from raxe_core.errors import PluginError
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
            result = self._detector.analyze(text, l1_results=l1_results)
        return self._checked(result)

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        """Judge texts."""
        with self._contained():
            results = list(self._detector.analyze_batch(texts))
        if len(results) != len(texts):
            raise self._error(f"gave {len(results)} results for {len(texts)} texts")
        return [self._checked(result) for result in results]

    def close(self) -> None:
        """Free the model's memory."""
        with self._contained():
            self._detector.close()

    @contextmanager
    def _contained(self) -> Iterator[None]:
        try:
            with contained():
                yield
        except PluginFaultError as fault:
            # What it says beyond its name may hold the text, and a RaxeError of a plugin may too.
            raise self._error(f"failed with {type(fault.__cause__).__name__}") from None

    def _checked(self, result: Any) -> DetectionResult:
        """Return the result in plain Python, if it decides: scores from 0 to 1, and a verdict.

        The numbers of numpy and its like look the same, and are no JSON.
        """
        if not isinstance(result, DetectionResult):
            name = type(result).__name__
            raise self._error(f"returned a {name} where a DetectionResult is expected")
        plain = []
        for (field, (read, wanted)), value in zip(_FIELDS.items(), result, strict=True):
            try:
                plain.append(read(value))
            except KeyboardInterrupt:
                raise
            except BaseException:  # native libraries raise beside Exception
                raise self._error(f"gave a result whose {field} should be {wanted}") from None
        return DetectionResult(*plain)

    def _error(self, reason: str) -> PluginError:
        return PluginError(f"{self._what} {reason}. See: raxe plugins list")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _verdict(value: Any) -> bool:
    if value not in (True, False):
        raise ValueError
    return bool(value)


def _number(value: Any) -> float:
    if type(value) is not float:
        if not isinstance(value, SupportsFloat):  # as a text does not, which float() would read
            raise TypeError
        value = float(value)
    if not math.isfinite(value):
        raise ValueError
    return value  # type: ignore[no-any-return]


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _scores(value: Any) -> dict[str, float]:
    scores = {_text(name): _share(score) for name, score in value.items()}
    scores["threat"]  # it decides, so it must be there
    return scores


def _predictions(value: Any) -> tuple[Prediction, ...]:
    return tuple(_prediction(item) for item in value)


def _prediction(value: Any) -> Prediction:
    if not isinstance(value, Prediction):
        raise TypeError
    subfamily = None if value.subfamily is None else _text(value.subfamily)
    span = value.evidence
    if span is not None:
        span = Span(index(span.start), index(span.end))
    return Prediction(_text(value.family), subfamily, _share(value.confidence), span)


_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "model_id": (_text, "a text"),
    "is_threat": (_verdict, "True or False"),
    "predictions": (_predictions, "a sequence of Prediction"),
    "scores": (_scores, "names with numbers from 0 to 1, 'threat' among them"),
    "threshold": (_share, "a number from 0 to 1"),
    "processing_time_ms": (_number, "a finite number"),
}

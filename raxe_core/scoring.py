"""From a model's logits to a judgement. Plain Python: for a handful of labels it is the fastest."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from raxe_core.detector import DetectionResult, Prediction, Span
from raxe_core.errors import RaxeError
from raxe_core.manifest import OutputHead, Outputs

__all__ = ["HeadValues", "Scorer", "probabilities", "threat_log_odds"]

# A model's output for one window: "binary", "family", "subfamily", "embedding" -> values.
HeadValues = Mapping[str, Sequence[float]]

MAX_LOG_ODDS = 709.0
"""Stands for infinity where every label is a threat; about the logarithm of the largest float."""


def probabilities(head: OutputHead, logits: Sequence[float]) -> list[float]:
    """Return ``activation(logits / temperature)``, one probability per label of the head.

    Raises:
        RaxeError: the logits are not as many as the labels, or not finite.
    """
    if len(logits) != len(head.labels) or not all(map(math.isfinite, logits)):
        raise RaxeError(
            f"The model's output {head.tensor!r} is not {len(head.labels)} finite numbers, so the "
            "text is undecided. Check the model with: raxe models validate"
        )
    temperature = head.temperature
    if head.activation == "sigmoid":  # in this form it is stable for large numbers
        return [0.5 + 0.5 * math.tanh(x / temperature / 2) for x in logits]
    top = max(logits)
    powers = [math.exp((x - top) / temperature) for x in logits]
    total = sum(powers)
    return [power / total for power in powers]


def threat_log_odds(head: OutputHead, logits: Sequence[float]) -> float:
    """Return ``log(p / (1 - p))`` of the probability of a threat, also where p rounds to 0 or 1.

    Raises:
        RaxeError: as :func:`probabilities`.
    """
    probabilities(head, logits)
    scaled = [
        (logit / head.temperature, label in head.threat_labels)
        for logit, label in zip(logits, head.labels, strict=True)
    ]
    threats = [logit for logit, is_threat in scaled if is_threat]
    others = [logit for logit, is_threat in scaled if not is_threat]
    if head.activation == "sigmoid":
        return max(threats)
    return _log_sum_exp(threats) - _log_sum_exp(others) if others else MAX_LOG_ODDS


def _log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


class Scorer:
    """Judges texts by a model's outputs; what is the same for every text is looked up once.

    ``threshold`` is the score, 0 to 1, from which on a text is a threat.
    """

    def __init__(self, model_id: str, outputs: Outputs) -> None:
        self.threshold = outputs.binary.threshold
        self._model_id = model_id
        self._binary, self._family, self._subfamily, _ = outputs
        threats, labels = self._binary.threat_labels, self._binary.labels
        self._threats = [at for at, label in enumerate(labels) if label in threats]
        labels = self._subfamily.labels if self._subfamily else ()
        # Where the subfamilies of a family are in the output, and their names.
        self._within = {
            family: [
                (at, label.removeprefix(f"{family}/"))
                for at, label in enumerate(labels)
                if label.startswith(f"{family}/")
            ]
            for family in (self._family.labels if self._family else ())
        }

    def threat_probability(self, values: HeadValues) -> float:
        """Return the probability of a threat: the threat labels' sum (sigmoid: the largest).

        Raises:
            RaxeError: as :func:`probabilities`.
        """
        found = probabilities(self._binary, values["binary"])
        chosen = [found[at] for at in self._threats]
        return max(chosen) if self._binary.activation == "sigmoid" else min(1.0, math.fsum(chosen))

    def judge(
        self, values: HeadValues, score: float, evidence: Span | None, started: float
    ) -> DetectionResult:
        """Return the result for a text whose deciding window gave ``values`` and ``score``.

        ``processing_time_ms`` is the time since ``started``, in seconds of ``time.perf_counter``.

        Raises:
            RaxeError: as :func:`probabilities`.
        """
        scores = {"threat": score}
        families: list[float] = []
        if self._family is not None:
            families = probabilities(self._family, values["family"])
            scores.update(zip(self._family.labels, families, strict=True))
        threshold = self.threshold
        predictions: tuple[Prediction, ...] = ()
        if score >= threshold:
            predictions = (Prediction(*self._named(values, families), score, evidence),)
        milliseconds = (time.perf_counter() - started) * 1e3
        return DetectionResult(
            self._model_id, score >= threshold, predictions, scores, threshold, milliseconds
        )

    def _named(self, values: HeadValues, families: list[float]) -> tuple[str, str | None]:
        """Name the likeliest family, and the likeliest of its subfamilies."""
        if self._family is None:
            logits = values["binary"]
            return self._binary.labels[max(self._threats, key=logits.__getitem__)], None
        family = self._family.labels[families.index(max(families))]
        within = self._within[family]
        if self._subfamily is None or not within:
            return family, None
        logits = values["subfamily"]
        probabilities(self._subfamily, logits)  # raises where they are none
        return family, max(within, key=lambda item: logits[item[0]])[1]

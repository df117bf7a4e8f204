"""From a model's logits to a judgement. Plain Python: for a handful of labels it is the fastest."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from raxe_core.detector import DetectionResult, Prediction, Span
from raxe_core.errors import RaxeError
from raxe_core.manifest import OutputHead, Outputs

__all__ = ["HeadValues", "judge", "probabilities", "threat_log_odds", "threat_probability"]


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
    scaled = [logit / head.temperature for logit in logits]
    if head.activation == "sigmoid":
        return [0.5 + 0.5 * math.tanh(x / 2) for x in scaled]  # stable for large |x|
    top = max(scaled)
    powers = [math.exp(x - top) for x in scaled]
    total = sum(powers)
    return [power / total for power in powers]


def threat_probability(head: OutputHead, logits: Sequence[float]) -> float:
    """Return the probability of a threat: the threat labels' sum (sigmoid: the largest)."""
    chosen = [
        p
        for label, p in zip(head.labels, probabilities(head, logits), strict=True)
        if label in head.threat_labels
    ]
    return max(chosen) if head.activation == "sigmoid" else min(1.0, math.fsum(chosen))


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


def judge(
    outputs: Outputs,
    model_id: str,
    values: HeadValues,
    score: float,
    evidence: Span | None,
    started: float,
) -> DetectionResult:
    """Return the result for a text whose deciding window gave ``values`` and ``score``.

    ``processing_time_ms`` is the time since ``started``, in seconds of ``time.perf_counter``.
    """
    scores = {"threat": score}
    families: list[float] = []
    if outputs.family is not None:
        families = probabilities(outputs.family, values["family"])
        scores.update(zip(outputs.family.labels, families, strict=True))
    is_threat = score >= outputs.binary.threshold
    predictions: tuple[Prediction, ...] = ()
    if is_threat:
        predictions = (_prediction(outputs, values, score, families, evidence),)
    threshold = outputs.binary.threshold
    milliseconds = (time.perf_counter() - started) * 1e3
    return DetectionResult(model_id, is_threat, predictions, scores, threshold, milliseconds)


def _prediction(
    outputs: Outputs,
    values: HeadValues,
    score: float,
    families: list[float],
    evidence: Span | None,
) -> Prediction:
    """Name the likeliest family, and the likeliest of its subfamilies."""
    if outputs.family is None:
        labels = outputs.binary.labels
        threats = [i for i, label in enumerate(labels) if label in outputs.binary.threat_labels]
        best = max(threats, key=lambda i: values["binary"][i])
        return Prediction(labels[best], None, score, evidence)
    family = outputs.family.labels[max(range(len(families)), key=families.__getitem__)]
    subfamily = None
    if outputs.subfamily is not None:
        prefix = f"{family}/"
        within = [
            (logit, label)
            for logit, label in zip(values["subfamily"], outputs.subfamily.labels, strict=True)
            if label.startswith(prefix)
        ]
        subfamily = max(within)[1].removeprefix(prefix) if within else None
    return Prediction(family, subfamily, score, evidence)

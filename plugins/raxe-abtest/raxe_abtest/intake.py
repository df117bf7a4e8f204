"""From what a caller said to an event; where that takes time, in the writer's thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from raxe_abtest.errors import SettingsError
from raxe_abtest.store.records import Event

__all__ = ["event_of", "label_of", "pair_of", "request_key", "truth_of", "within"]

Assigned = Callable[[str], "tuple[int | None, int] | None"]
Count = Callable[[str], None]
MAX_MS = 1e9  # twelve days; the square of a sum of longer ones may not be a number any more


def event_of(said: Any, assigned: Assigned, count: Count) -> Event | None:
    """Return the event of an entry of the queue, None for a user outside the experiment.

    A tuple of four is an exposure, a longer one a result, in the order of :func:`_result`.
    ``assigned`` returns (epoch, variant) of a user; ``count`` counts what is left out.
    """
    if isinstance(said, Event):
        return said
    if len(said) == 4:
        at, unit, variant, epoch = said
        return Event("exposure", at, unit, variant, epoch=epoch)
    return _result(said, assigned, count)


def _result(said: Any, assigned: Assigned, count: Count) -> Event | None:
    at, unit, variant, request_id, latency_ms, accuracy, error, is_threat = said
    found = assigned(unit)
    if found is None:
        count("outside")
        return None
    epoch, expected = found
    if expected != variant:
        count("mismatched")
    return Event(
        "result", at, unit, variant, request_key(request_id), _number(latency_ms, MAX_MS, count),
        _number(accuracy, 1.0, count), bool(error), _verdict(is_threat, count), None, None, 1,
        epoch,
    )  # fmt: skip


def label_of(request_id: str, is_threat: bool | None, accuracy: float | None) -> Event:
    """Return the event of an earlier request's outcome.

    Raises:
        SettingsError: neither or both are given, ``is_threat`` is no truth value, the accuracy is
            not within 0 to 1, or there is no ``request_id``.
    """
    label = truth_of(is_threat)
    by_accuracy = is_threat is None and within(accuracy, 1.0)
    if not (by_accuracy or (label is not None and accuracy is None)):
        raise SettingsError("Give is_threat (True or False), or accuracy within 0 to 1.")
    key = request_key(request_id)
    if key is None:
        raise SettingsError("Give the request_id that track_result() was given.")
    accuracy = None if accuracy is None else float(accuracy)
    return Event("label", time.time(), None, -1, key, accuracy=accuracy, label=label)


def pair_of(
    unit: str, request_id: str | None, by: int, shadow: int, verdicts: tuple[Any, Any],
    slower_ms: float | None, count: Count,
) -> Event:  # fmt: skip
    """Return the event of one prompt that two variants judged, one of them the control.

    ``verdicts`` are that of ``by``, which answered, and that of ``shadow``, None where a model
    failed; ``slower_ms`` is the shadow's time less the other's. ``count`` counts what is left out.
    """
    # Where the answer failed, the shadow was not asked.
    failed = -1 if verdicts[0] is None else int(verdicts[1] is None)
    treatment = shadow
    slower_ms = _number(slower_ms, MAX_MS, count, low=-MAX_MS)
    control, other = (_verdict(verdict, count) for verdict in verdicts)
    if by:  # the treatment answered, the control was its shadow
        treatment, control, other = by, other, control
        slower_ms, failed = None if slower_ms is None else -slower_ms, -failed
    return Event(
        "pair", time.time(), unit, treatment, request_key(request_id), slower_ms, error=failed,
        verdict=control, other=other,
    )  # fmt: skip


def within(value: Any, high: float) -> bool:
    """Tell whether a value is a finite number from 0 to ``high``."""
    return isinstance(value, (int, float)) and 0 <= value <= high and math.isfinite(value)


def _number(value: Any, high: float, count: Count, low: float = 0.0) -> float | None:
    """Return a number from ``low`` to ``high``; anything else but None is counted as invalid."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and low <= value <= high:
        return float(value)
    count("invalid")
    return None


def _verdict(value: Any, count: Count) -> bool | None:
    """Return a verdict; what is neither that nor None is counted as invalid."""
    if value is not None and truth_of(value) is None:
        count("invalid")
    return truth_of(value)


def truth_of(value: Any) -> bool | None:
    """Return true or false for what equals 1 or 0, as NumPy's truths do; None for anything else."""
    try:
        return bool(value) if value in (0, 1) else None
    except ValueError:  # an array
        return None


def request_key(request_id: str | None) -> str | None:
    """Return what a request is known by, None for the empty id; long ids are kept as a hash."""
    text = "" if request_id is None else str(request_id)
    if not text:
        return None
    if len(text) <= 64 and text.isascii() and text.isprintable():
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

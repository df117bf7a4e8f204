"""From what a caller said to an event; where that takes time, in the writer's thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from raxe_abtest.store.records import Event

__all__ = ["event_of", "pair_of", "request_key", "within"]

Assigned = Callable[[str], "tuple[int | None, int] | None"]
Count = Callable[[str], None]


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
    if latency_ms is not None and not within(latency_ms, math.inf):
        count("invalid")
        latency_ms = None
    if accuracy is not None and not within(accuracy, 1.0):
        count("invalid")
        accuracy = None
    return Event(
        "result", at, unit, variant, request_key(request_id), latency_ms, accuracy, error,
        is_threat, None, None, 1, epoch,
    )  # fmt: skip


def pair_of(
    unit: str, request_id: str | None, by: int, shadow: int, verdicts: tuple[bool, bool],
    slower_ms: float | None,
) -> Event:  # fmt: skip
    """Return the event of one prompt that two variants judged, one of them the control.

    ``verdicts`` are that of ``by``, which answered, and that of ``shadow``; ``slower_ms`` is the
    shadow's time less the other's.
    """
    treatment = shadow
    if by:  # the treatment answered, the control was its shadow
        treatment, verdicts = by, verdicts[::-1]
        slower_ms = None if slower_ms is None else -slower_ms
    control, other = verdicts
    return Event(
        "pair", time.time(), unit, treatment, request_key(request_id), slower_ms,
        verdict=control, other=other,
    )  # fmt: skip


def within(value: Any, high: float) -> bool:
    """Tell whether a value is a finite number from 0 to ``high``."""
    return isinstance(value, (int, float)) and 0 <= value <= high and math.isfinite(value)


def request_key(request_id: str | None) -> str | None:
    """Return what a request is known by; long ids are kept as their hash."""
    if request_id is None:
        return None
    text = str(request_id)
    if len(text) <= 64 and text.isascii() and text.isprintable():
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""The criteria of the core: latency, accuracy, memory, balanced.

They read the model's figures; a model that lacks a figure has no score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from raxe_core.hookspecs import hookimpl
from raxe_core.model import Model
from raxe_core.records import Criteria


def latency(model: Model) -> float | None:
    """Minus the P95 latency in ms."""
    p95 = model.figure("performance", "p95_latency_ms")
    return None if p95 is None else -p95


def accuracy(model: Model) -> float | None:
    """The binary F1, 0 to 1."""
    return model.figure("accuracy", "binary_f1")


def memory(model: Model) -> float | None:
    """Minus the memory in MB."""
    used = model.figure("performance", "memory_mb")
    return None if used is None else -used


def balanced(model: Model) -> float | None:
    """F1 - 0.05 x log2(1 + P95 / 10 ms): each doubling of 10 ms + P95 costs five points of F1."""
    f1 = accuracy(model)
    p95 = model.figure("performance", "p95_latency_ms")
    return None if f1 is None or p95 is None else f1 - 0.05 * math.log2(1 + p95 / 10)


@hookimpl
def score_criteria() -> Iterable[Criteria]:
    """Return the built-in criteria."""
    yield Criteria("latency", "lowest P95 latency", latency)
    yield Criteria("accuracy", "highest binary F1", accuracy)
    yield Criteria("memory", "lowest memory", memory)
    yield Criteria("balanced", "best balance of binary F1 and P95 latency", balanced)

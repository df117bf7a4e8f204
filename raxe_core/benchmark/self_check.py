"""The benchmark's check of itself: no difference where there is none, and +10 % where there is."""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

from raxe_core.benchmark.measure import Plan, Progress, measure_rounds
from raxe_core.benchmark.run import judge_pair, load
from raxe_core.errors import ModelLoadError
from raxe_core.evaluation.datasets import standard_dataset

__all__ = ["self_check"]

DELAY = 0.1
CALLS = 4
LEVEL = 0.99


def self_check(model_id: str, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure one model against itself, and against itself with 10 % added to each call.

    Raises:
        ModelLoadError: the model cannot be loaded.
    """
    # Short texts: the check is of the benchmark, and a difference in percent is the same in all.
    texts = sorted((prompt.text for prompt in standard_dataset().prompts), key=len)[:100]
    random.Random(plan.seed).shuffle(texts)  # noqa: S311
    with contextlib.ExitStack() as stack:
        children = []
        for delay in (0.0, 0.0, DELAY):
            child, row = load(stack, model_id, plan, texts, delay)
            if child is None:
                raise ModelLoadError(row["error"])
            children.append(child)
        sampled = measure_rounds(children, plan, progress, calls=CALLS)
    same = judge_pair(sampled[0], sampled[1], contended=True, level=LEVEL)
    slowed = judge_pair(sampled[0], sampled[2], contended=True, level=LEVEL)
    return {
        "kind": "self-check",
        "model_id": model_id,
        "rounds": len(sampled[0].cpu_rounds),
        "timer_resolution_ns": _resolution(),
        "same": same,
        "slowed": slowed,
        "injected": DELAY,
        "passed": same["verdict"] in ("equivalent", "inconclusive")
        and slowed["verdict"] == "slower",
    }


def _resolution() -> int:
    """Return the smallest step of the clock that was seen, in ns."""
    steps = []
    for _ in range(1_000):
        first = time.perf_counter_ns()
        while (second := time.perf_counter_ns()) == first:
            pass
        steps.append(second - first)
    return min(steps)

"""Scenarios beyond single calls: all texts at once, random arrivals, several threads."""

from __future__ import annotations

import random
import statistics
from typing import Any

from raxe_core.benchmark.child import Child
from raxe_core.benchmark.histogram import MINIMUM_SAMPLES, Histogram
from raxe_core.benchmark.measure import Plan

__all__ = ["highest_rate", "offline", "open_loop", "threads"]

OPEN_LOOP_CALLS = 200
OPEN_LOOP_LOAD = 0.5
BISECTIONS = 5
BOUND = 2.0
THREADS = (1, 2, 4)
THREAD_ROUNDS = 3
THREAD_TEXTS = 48


def offline(child: Child, plan: Plan) -> dict[str, Any]:
    """All texts at once: the largest batch of the plan, as many as 96 texts."""
    batch = max(plan.batches)
    found = child.ask("time", name="mix", batch=batch, calls=max(1, 96 // batch))
    texts = batch * len(found["wall_us"])
    return {"batch": batch, "texts_per_sec": 1e6 * texts / sum(found["wall_us"])}


def open_loop(child: Child, throughput: float, plan: Plan) -> dict[str, Any]:
    """Poisson arrivals at half of what a closed loop manages."""
    calls = min(OPEN_LOOP_CALLS, plan.iterations)
    return _arrivals(child, throughput * OPEN_LOOP_LOAD, calls, plan.seed)


def highest_rate(
    child: Child, throughput: float, p95_ms: float | None, plan: Plan
) -> dict[str, Any] | None:
    """Find the highest rate of Poisson arrivals whose P95 keeps the bound, by bisection.

    The bound is the plan's, or twice the P95 of single calls. None where there are too few calls
    for a P95.
    """
    calls = min(OPEN_LOOP_CALLS, plan.iterations)
    if p95_ms is None or calls < MINIMUM_SAMPLES["p95"]:
        return None
    bound = plan.latency_bound_ms or BOUND * p95_ms
    low, high, trials = 0.0, throughput, []
    for _ in range(BISECTIONS):
        # The same arrivals each time, only faster: less chance between the trials.
        trial = _arrivals(child, (low + high) / 2, calls, plan.seed)
        trials.append({name: trial[name] for name in ("rate_per_sec", "p95_ms")})
        if trial["p95_ms"] <= bound:
            low = trial["rate_per_sec"]
        else:
            high = trial["rate_per_sec"]
    return {"p95_bound_ms": bound, "rate_per_sec": low or None, "calls": calls, "trials": trials}


def threads(child: Child) -> list[dict[str, Any]]:
    """Texts per second with one detector in several threads: what the GIL leaves of them."""
    rates: dict[int, list[float]] = {number: [] for number in THREADS}
    for _ in range(THREAD_ROUNDS):
        for number, found in rates.items():
            calls = THREAD_TEXTS // number
            seconds = child.ask("threaded", name="mix", threads=number, calls=calls)
            found.append(number * calls / seconds)
    return [
        {"threads": number, "texts_per_sec": statistics.median(found)}
        for number, found in rates.items()
    ]


def _arrivals(child: Child, rate: float, calls: int, seed: int) -> dict[str, Any]:
    """Return percentiles of the latency, from the schedule, at so many arrivals per second."""
    generator, now, arrivals = random.Random(seed), 0.0, []  # noqa: S311  # reproducible
    for _ in range(calls):
        now += generator.expovariate(rate)
        arrivals.append(now)
    shown = Histogram(child.ask("open_loop", name="mix", arrivals=arrivals)).percentiles()
    values = {f"{name}_ms": x and x / 1e3 for name, x in shown.items()}
    return {"rate_per_sec": rate, "calls": calls, **values}

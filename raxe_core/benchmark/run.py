"""Run a benchmark of several models and make the report."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raxe_core._version import __version__
from raxe_core.benchmark import scenarios
from raxe_core.benchmark.child import Child
from raxe_core.benchmark.contention import Meter
from raxe_core.benchmark.fingerprint import fingerprint
from raxe_core.benchmark.histogram import Histogram
from raxe_core.benchmark.measure import (
    BLOCK,
    Plan,
    Progress,
    Sampled,
    measure_grid,
    measure_rounds,
    warm_up,
)
from raxe_core.errors import RaxeError
from raxe_core.evaluation.datasets import standard_dataset
from raxe_core.evaluation.packed import pack_times
from raxe_core.evaluation.pairs import ratio_report
from raxe_core.evaluation.statistics import quantile_interval

__all__ = ["CONTENDED_CORES", "figures_of", "judge_pair", "load", "run_benchmark", "start"]

CONTENDED_CORES = 0.2
_WORDS = [
    "the",
    "museum",
    "is",
    "closed",
    "on",
    "monday",
    "and",
    "opens",
    "early",
    "for",
    "visitors",
]
_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def run_benchmark(model_ids: Sequence[str], plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure models, each in a fresh process of its own, and return the report as JSON types.

    A model that cannot be loaded is in the report with its error.
    """
    texts = [prompt.text for prompt in standard_dataset().prompts]
    random.Random(plan.seed).shuffle(texts)  # noqa: S311
    rows: list[dict[str, Any]] = []
    # Alone, one after the other: pages that processes share would count as parts.
    alone = {model_id: _memory_alone(model_id, plan) for model_id in model_ids}
    with contextlib.ExitStack() as stack:
        children = []
        for model_id in model_ids:
            child, row = load(stack, model_id, plan, texts)
            row["memory_kb"] = alone[model_id]
            rows.append(row)
            if child is not None:
                children.append((child, row))
        meter = Meter(lambda: _own_seconds([child for child, _ in children]))
        if children:
            _measure(children, plan, progress)
        others = meter.others()
        environment = {
            **fingerprint(plan.threads),
            "contention": others,
            "contended": None if others is None else others > CONTENDED_CORES,
        }
    good = [row for _, row in children]
    pairs = [
        _pair(a, b, bool(environment["contended"])) for a, b in itertools.combinations(good, 2)
    ]
    for row in good:
        del row["sampled"]
    if good:
        # CPU time, because wall time is also that of the machine's other work.
        quickest = min(good, key=lambda row: row["latency"]["cpu_ms"]["p50"])
        quickest["mark"] = "⚡ Fastest" if len(good) > 1 else ""
    return {
        "kind": "benchmark",
        "schema_version": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "raxe_version": __version__,
        "environment": environment,
        "plan": {
            "iterations": plan.iterations,
            "tokens": list(plan.tokens),
            "batches": list(plan.batches),
            "threads": plan.threads,
            "seed": plan.seed,
            "latency_bound_ms": plan.latency_bound_ms,
            "texts": "standard",
        },
        "models": rows,
        "pairs": pairs,
    }


def start(stack: contextlib.ExitStack, plan: Plan) -> Child:
    """Start a process that ends with the stack."""
    return stack.enter_context(Child(plan.threads))


def load(
    stack: contextlib.ExitStack, model_id: str, plan: Plan, texts: Sequence[str], delay: float = 0
) -> tuple[Child | None, dict[str, Any]]:
    """Load a model in a fresh process and run it until it is steady."""
    child = start(stack, plan)
    try:
        row = child.ask(
            "load",
            model_id=model_id,
            config=plan.config and str(plan.config),
            threads=plan.threads,
            delay=delay,
        )
        child.ask("texts", name="warm", texts=list(texts[:10]))
        child.ask("texts", name="mix", texts=list(texts))
        row["warm_up"] = warm_up(child, "warm")
    except RaxeError as error:
        child.close()
        return None, {"model_id": model_id, "error": str(error)}
    return child, {"model_id": model_id, "error": None, "mark": "", **row}


def _memory_alone(model_id: str, plan: Plan) -> dict[str, Any]:
    """Return the memory of each stage of loading in a process of its own; empty where it fails."""
    with contextlib.ExitStack() as stack:
        child = start(stack, plan)
        config = plan.config and str(plan.config)
        try:
            loaded = child.ask("load", model_id=model_id, config=config, threads=plan.threads)
        except RaxeError:
            return {}
        return dict(loaded["memory_kb"])


def judge_pair(
    first: Sampled, second: Sampled, contended: bool, level: float = 0.95
) -> dict[str, Any]:
    """Compare two models by the ratios of the same rounds, second over first.

    CPU time decides; on a quiet machine wall time must not contradict it.
    """
    cpu, wall = (
        ratio_report([b / a for a, b in zip(one, two, strict=True) if a > 0], level)
        for one, two in (
            (first.cpu_rounds, second.cpu_rounds),
            (first.wall_rounds, second.wall_rounds),
        )
    )
    verdict = cpu["verdict"]
    if not contended and {verdict, wall["verdict"]} == {"faster", "slower"}:
        verdict = "inconclusive"
    return {"cpu": cpu, "wall": wall, "verdict": verdict}


def figures_of(row: dict[str, Any], contended: bool | None) -> dict[str, float]:
    """Return the figures that the machine's profile keeps.

    On a contended machine these are CPU times: for one thread on a CPU, what wall time would be
    without the other processes.
    """
    kind = "cpu" if contended else "wall"
    times = row["latency"][f"{kind}_ms"]
    named = {f"{name}_latency_ms": times[name] for name in ("p50", "p95", "p99")}
    named["throughput_per_sec"] = row[f"{kind}_throughput_per_sec"]
    named["memory_mb"] = row["memory_mb"]
    return {name: value for name, value in named.items() if value is not None}


def _measure(
    children: Sequence[tuple[Child, dict[str, Any]]], plan: Plan, progress: Progress
) -> None:
    """Fill each row with latency, grid, scenarios and memory."""
    processes = [child for child, _ in children]
    sampled = measure_rounds(processes, plan, progress)
    grid = measure_grid(processes, plan, _WORDS, progress)
    for (child, row), found, cells in zip(children, sampled, grid, strict=True):
        row["sampled"] = found
        row["latency"] = _latency(found)
        row["grid"] = cells
        row["wall_throughput_per_sec"] = 1e6 * len(found.wall) / sum(found.wall)
        row["cpu_throughput_per_sec"] = 1e6 * len(found.cpu) / max(sum(found.cpu), 1)
        row["throughput_per_sec"] = row["wall_throughput_per_sec"]
        rate, p95_ms = row["throughput_per_sec"], row["latency"]["wall_ms"]["p95"]
        row["offline"] = scenarios.offline(child, plan)
        row["open_loop"] = scenarios.open_loop(child, rate, plan)
        row["highest_rate"] = scenarios.highest_rate(child, rate, p95_ms, plan)
        row["threads"] = scenarios.threads(child)
        row["memory_kb"]["grid"] = child.ask("memory", stage="grid")["grid"]
        held = row["memory_kb"].get("first", {}).get("pss")
        row["memory_mb"] = None if held is None else held * 1024 / 1e6


def _latency(found: Sampled) -> dict[str, Any]:
    """Percentiles of wall and CPU time in ms, with intervals of the wall's."""
    ordered = sorted(found.wall)
    wall, cpu = Histogram(found.wall), Histogram(found.cpu)
    shown = {name: x and x / 1e3 for name, x in wall.percentiles().items()}
    intervals = {
        name: quantile_interval(ordered, share) if shown[name] is not None else None
        for name, share in _SHARES.items()
    }
    return {
        "calls": len(ordered),
        "wall_ms": shown,
        "cpu_ms": {name: x and x / 1e3 for name, x in cpu.percentiles().items()},
        "intervals_ms": {name: e and [e.low / 1e3, e.high / 1e3] for name, e in intervals.items()},
        "wall_us_histogram": wall.as_json(),
        "cpu_us_histogram": cpu.as_json(),
        "samples": {
            "calls_per_round": BLOCK,
            "wall_us": pack_times(found.wall),
            "cpu_us": pack_times(found.cpu),
        },
    }


def _pair(first: dict[str, Any], second: dict[str, Any], contended: bool) -> dict[str, Any]:
    found = judge_pair(first["sampled"], second["sampled"], contended)
    return {"first": first["model_id"], "second": second["model_id"], **found}


def _own_seconds(children: Sequence[Child]) -> float:
    """Return the CPU seconds of this process and of the children."""
    return sum(os.times()[:2]) + sum(_cpu_seconds(child.pid) for child in children)


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0

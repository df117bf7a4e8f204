"""The measurement: fresh processes, warm-up until steady, interleaved rounds."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from raxe_core.benchmark.child import Child

__all__ = ["BLOCK", "Plan", "Sampled", "measure_grid", "measure_rounds", "warm_up"]

BLOCK = 10
MIN_BLOCKS, MAX_BLOCKS = 3, 50
STEADY = 0.05
GRID_ROUNDS = 3
Progress = Callable[[Iterable[int], str], Iterable[int]]


@attrs.frozen
class Plan:
    """What to measure: ``iterations`` single calls per model, and a grid of tokens by batch.

    ``latency_bound_ms`` bounds the P95 for the highest rate; None is twice that of single calls.
    """

    iterations: int = 1_000
    tokens: tuple[int, ...] = (16, 64, 128, 256)
    batches: tuple[int, ...] = (1, 8, 32)
    threads: int = 1
    config: Path | None = None
    seed: int = 0
    latency_bound_ms: float | None = None


@attrs.define
class Sampled:
    """Times of single calls, in microseconds, and the sums of each round."""

    wall: list[float] = attrs.field(factory=list)
    cpu: list[float] = attrs.field(factory=list)
    wall_rounds: list[float] = attrs.field(factory=list)
    cpu_rounds: list[float] = attrs.field(factory=list)

    def add(self, found: dict[str, list[float]]) -> None:
        """Take in one round's answer."""
        self.wall += found["wall_us"]
        self.cpu += found["cpu_us"]
        self.wall_rounds.append(sum(found["wall_us"]))
        self.cpu_rounds.append(sum(found["cpu_us"]))


def warm_up(child: Child, name: str = "mix") -> dict[str, Any]:
    """Run blocks of calls until two in a row change the median CPU time by less than 5 %.

    Every block has the same texts, so that only the process changes.
    """
    medians: list[float] = []
    while len(medians) < MAX_BLOCKS:
        found = child.ask("time", name=name, calls=BLOCK)
        medians.append(statistics.median(found["cpu_us"]))
        if len(medians) >= MIN_BLOCKS:
            a, b, c = medians[-3:]
            if a > 0 and b > 0 and abs(b / a - 1) < STEADY and abs(c / b - 1) < STEADY:
                return {"blocks": len(medians), "calls": len(medians) * BLOCK, "steady": True}
    return {"blocks": MAX_BLOCKS, "calls": MAX_BLOCKS * BLOCK, "steady": False}


def measure_rounds(
    children: Sequence[Child], plan: Plan, progress: Progress, calls: int = BLOCK
) -> list[Sampled]:
    """Time single calls of all models in rounds, each round in a new random order.

    In one round every model judges the same texts.
    """
    sampled = [Sampled() for _ in children]
    generator = random.Random(plan.seed)  # noqa: S311  # reproducible on purpose
    order = list(range(len(children)))
    rounds = max(1, -(-plan.iterations // calls))
    for _ in progress(range(rounds), "single calls "):
        generator.shuffle(order)
        for index in order:
            sampled[index].add(children[index].ask("time", name="mix", calls=calls))
    return sampled


def measure_grid(
    children: Sequence[Child], plan: Plan, words: Sequence[str], progress: Progress
) -> list[list[dict[str, Any]]]:
    """Time texts of exact numbers of tokens in batches, in interleaved rounds."""
    exact = [child.ask("fit", words=words, tokens=plan.tokens) for child in children]
    generator = random.Random(plan.seed + 1)  # noqa: S311
    cells = [(tokens, batch) for tokens in plan.tokens for batch in plan.batches]
    times: dict[tuple[int, int, int], list[tuple[float, float]]] = {}
    jobs = [(index, *cell) for index in range(len(children)) for cell in cells]
    for _ in progress(range(GRID_ROUNDS), "lengths and batches "):
        generator.shuffle(jobs)
        for index, tokens, batch in jobs:
            calls = 3 if batch == 1 else 1
            found = children[index].ask("time", name=str(tokens), batch=batch, calls=calls)
            pairs = zip(found["wall_us"], found["cpu_us"], strict=True)
            times.setdefault((index, tokens, batch), []).extend(pairs)
    return [
        [
            {
                "tokens": exact[index][str(tokens)],
                "batch": batch,
                "calls": len(times[index, tokens, batch]),
                "wall_ms_per_text": _per_text(times[index, tokens, batch], 0, batch),
                "cpu_ms_per_text": _per_text(times[index, tokens, batch], 1, batch),
            }
            for tokens, batch in cells
        ]
        for index in range(len(children))
    ]


def _per_text(pairs: Sequence[tuple[float, float]], which: int, batch: int) -> float:
    return statistics.median(pair[which] for pair in pairs) / batch / 1e3

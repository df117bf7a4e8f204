"""The page of a benchmark: where it was measured, the figures, what failed and who is faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raxe_html.plots import benchmark_plots
from raxe_html.text import escaped, number, table

__all__ = ["benchmark_body"]

Report = Mapping[str, Any]
_KINDS = ("cpu", "wall")


def benchmark_body(report: Report) -> Iterator[str]:
    """Yield the parts of the page in their order."""
    measured = [model for model in report["models"] if not model["error"]]
    yield _subtitle(report)
    yield _figures(measured)
    failed = [[escaped(m["model_id"]), escaped(m["error"])] for m in report["models"] if m["error"]]
    if failed:
        yield "<h2>Not measured</h2>"
        yield table(["Model", "Reason"], failed)
    if report["pairs"]:
        yield "<h2>Differences</h2>"
        headers = ["Second / first", "CPU time", "Wall time", "Verdict"]
        yield table(headers, [_pair(pair) for pair in report["pairs"]])
    yield from benchmark_plots(measured)


def _subtitle(report: Report) -> str:
    environment = report["environment"]
    parts = [
        report["created"],
        environment["cpu"],
        f"{environment['threads']} threads" if environment["threads"] > 1 else "1 thread",
        f"{report['plan']['iterations']} iterations",
    ]
    if environment["contended"]:
        share = environment["contention"]
        parts.append(f"contended: other processes used {share:.1f} cores, compare CPU times")
    return f'<p class="soft">{" · ".join(map(escaped, parts))} · brackets hold 95% intervals</p>'


def _figures(models: Sequence[Report]) -> str:
    rows = []
    for model in models:
        wall, ends = model["latency"]["wall_ms"], model["latency"]["intervals_ms"]
        rows.append(
            [
                escaped(f"{model['model_id']} {model['mark']}"),
                *(number(wall[name], ".2f", ends[name]) for name in ("p50", "p95", "p99")),
                number(model["latency"]["cpu_ms"]["p50"], ".2f"),
                number(model["throughput_per_sec"], ".1f"),
                number(model["cold_ms"]["load"], ".0f"),
                number(model["memory_mb"], ".0f"),
            ]
        )
    headers = ["Model", "P50 (ms)", "P95 (ms)", "P99 (ms)", "P50 of CPU time (ms)"]
    return table([*headers, "Texts per second", "Load (ms)", "Memory (MB)"], rows)


def _pair(pair: Report) -> list[str]:
    times = [number(pair[kind]["ratio"], ".3f", pair[kind]["interval"]) for kind in _KINDS]
    names = f"{escaped(pair['first'])} → {escaped(pair['second'])}"
    return [names, *times, escaped(pair["verdict"])]

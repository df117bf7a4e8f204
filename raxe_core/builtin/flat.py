"""The reporters ``csv`` and ``markdown``: a report as rows of model, metric, value, interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from raxe_core.constraints import RATIOS
from raxe_core.safe_text import safe_text

__all__ = ["Row", "render_csv", "render_markdown", "rows_of"]

Report = Mapping[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """One figure of one model; the interval is empty where none is known."""

    model_id: str
    metric: str
    value: float | int | None
    low: float | None = None
    high: float | None = None


def _not_measured(report: Report) -> dict[str, str]:
    """Return why each model of a benchmark that could not be measured failed."""
    return {row["model_id"]: row["error"] for row in report.get("models", ()) if row.get("error")}


def rows_of(report: Report) -> Iterator[Row]:
    """Yield every figure of a report of any kind."""
    if report.get("kind") == "benchmark":
        for row in report["models"]:
            yield from _benchmarked(row)
        return
    prompts = report["dataset"]["prompts"]
    for row in report["models"] if report.get("kind") == "comparison" else [report]:
        # Reports of before they told it timed every prompt.
        yield from _evaluated(row, row["latency_ms"].get("prompts", prompts))


def render_csv(report: Report) -> str:
    """Return the rows as CSV, without the last line's end; no cell begins a formula.

    A model that failed has one row, of the metric ``error`` and with the reason as its value.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows_of(report):
        texts = [_cell(row.model_id), _cell(row.metric)]
        writer.writerow([*texts, *("" if x is None else x for x in row[2:])])
    for model_id, reason in _not_measured(report).items():
        writer.writerow([_cell(model_id), "error", _cell(reason), "", ""])
    return out.getvalue().rstrip("\n")


def render_markdown(report: Report) -> str:
    """Return one table, a row per metric and a column per model, and the recommendation."""
    rows = list(rows_of(report))
    models = list(dict.fromkeys(row.model_id for row in rows))
    metrics = list(dict.fromkeys(row.metric for row in rows))
    found = {(row.metric, row.model_id): row for row in rows}
    lines = [
        "| metric | " + " | ".join(_escaped(model) for model in models) + " |",
        "|---|" + "---|" * len(models),
    ]
    for metric in metrics:
        cells = [_shown(found.get((metric, model))) for model in models]
        lines.append(f"| {_escaped(metric)} | " + " | ".join(cells) + " |")
    if failed := _not_measured(report):
        lines += ["", "**Not measured:**", ""]
        lines += [f"- {_escaped(name)}: {_escaped(reason)}" for name, reason in failed.items()]
    recommendation = report.get("recommendation")
    if recommendation:
        best = _escaped(recommendation["model_id"] or "none")
        lines += ["", f"**Recommendation:** {best}. {_escaped(recommendation['reason'])}"]
    if report.get("gate"):
        lines += ["", f"**Gate:** {report['gate']['verdict']}", ""]
        lines += [
            f"- {check['verdict']}: {_escaped(check['reason'])}"
            for check in report["gate"]["checks"]
        ]
    return "\n".join(lines)


def _evaluated(row: Report, timed: int) -> Iterator[Row]:
    model_id, intervals = row["model_id"], row.get("intervals", {})
    for name in ("tp", "tn", "fp", "fn"):
        yield Row(model_id, name, row[name])
    for name in RATIOS:
        yield Row(model_id, name, row.get(name), *(intervals.get(name) or ()))
    families = intervals.get("family_recall", {})
    for family, figures in row["family_recall"].items():
        name = f"family_recall.{family}"
        yield Row(model_id, name, figures["recall"], *(families.get(family) or ()))
    latency = row["latency_ms"]
    yield Row(model_id, "latency_prompts", timed)
    yield Row(model_id, "avg_latency_ms", latency["avg"])
    for share in ("p50", "p95"):
        ends = latency.get(f"{share}_interval") or ()
        yield Row(model_id, f"{share}_latency_ms", latency[share], *ends)
    for name in ("memory_mb", "size_mb"):
        if name in row:
            yield Row(model_id, name, row[name])


def _benchmarked(row: Report) -> Iterator[Row]:
    model_id = row["model_id"]
    if row.get("error"):
        return
    for name in ("p50", "p90", "p95", "p99"):
        ends = row["latency"]["intervals_ms"].get(name) or ()
        yield Row(model_id, f"{name}_latency_ms", row["latency"]["wall_ms"][name], *ends)
    for name in ("throughput_per_sec", "memory_mb"):
        yield Row(model_id, name, row[name])
    for name, value in row["cold_ms"].items():
        yield Row(model_id, f"cold_{name}_ms", value)
    if row.get("highest_rate"):
        yield Row(model_id, "highest_rate_per_sec", row["highest_rate"]["rate_per_sec"])
    for found in row.get("threads", ()):
        yield Row(model_id, f"{found['threads']}_threads_per_sec", found["texts_per_sec"])
    for cell in row["grid"]:
        name = f"{cell['tokens']}_tokens_batch_{cell['batch']}_ms_per_text"
        yield Row(model_id, name, cell["wall_ms_per_text"])


def _cell(text: str) -> str:
    safe = safe_text(text, 1_000)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def _shown(row: Row | None) -> str:
    if row is None or row.value is None:
        return "n/a"
    if row.low is None or row.high is None:
        return f"{row.value:.4g}"
    return f"{row.value:.4g} [{row.low:.4g}, {row.high:.4g}]"


def _escaped(text: str) -> str:
    safe = safe_text(text, 1_000)
    for character in "\\`*_{}[]<>|#":
        safe = safe.replace(character, f"\\{character}")
    return safe

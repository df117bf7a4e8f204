"""The reporters of the core: table and json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from raxe_core.hookspecs import hookimpl
from raxe_core.records import Reporter
from raxe_core.safe_text import safe_text


def render_json(report: Mapping[str, Any]) -> str:
    """Return the report as it is, for programs."""
    return json.dumps(report, indent=2, allow_nan=False)


def render_table(report: Mapping[str, Any]) -> str:
    """Return the report for people, as in the documentation."""
    latency = report["latency_ms"]
    lines = [
        "Results:",
        f"  True Positives: {report['tp']}",
        f"  True Negatives: {report['tn']}",
        f"  False Positives: {report['fp']}",
        f"  False Negatives: {report['fn']}",
        f"  Accuracy: {_percent(report['accuracy'])}",
        f"  Precision: {_percent(report['precision'])}",
        f"  Recall: {_percent(report['recall'])}",
        f"  F1 Score: {_percent(report['f1'])}",
        f"  ROC AUC: {_decimal(report['roc_auc'])}",
        f"  Avg Latency: {latency['avg']:.1f}ms (P95: {latency['p95']:.1f}ms)",
    ]
    if report["family_recall"]:
        lines.append("  Recall by family:")
        lines += [
            f"    {safe_text(family, 20):<8} {_percent(figures['recall']):>6}  "
            f"({figures['threats']} threats)"
            for family, figures in report["family_recall"].items()
        ]
    return "\n".join(lines)


@hookimpl
def reporters() -> Iterable[Reporter]:
    """Return the built-in reporters."""
    yield Reporter("table", "for people", render_table)
    yield Reporter("json", "for programs", render_json)


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{fraction:.1%}"


def _decimal(number: float | None) -> str:
    return "n/a (needs threats and benign prompts)" if number is None else f"{number:.3f}"

"""The reporter ``table``: reports for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raxe_core.safe_text import safe_text
from raxe_core.table import format_table

__all__ = ["render", "threshold_line"]

Report = Mapping[str, Any]


def render(report: Report) -> str:
    """Return the report of any kind as text."""
    kinds = {"comparison": _comparison, "benchmark": _benchmark}
    lines = kinds.get(str(report.get("kind")), _evaluation)(report)
    return "\n".join([*lines, *_gate(report)])


def _evaluation(report: Report) -> Iterator[str]:
    latency = report["latency_ms"]
    ends = report.get("intervals", {})
    yield "Results:"
    for label, name in _COUNTS:
        yield f"  {label}: {report[name]}"
    for label, name in _SHARES:
        yield f"  {label}: {_percent(report[name])}{_between(ends.get(name))}"
    yield f"  ROC AUC: {_decimal(report['roc_auc'])}{_between(ends.get('roc_auc'), '.3f')}"
    timed = latency["prompts"]
    of = "" if timed == report["dataset"]["prompts"] else f" of {timed:,} prompts judged alone"
    yield f"  Avg Latency: {latency['avg']:.1f}ms (P95: {latency['p95']:.1f}ms){of}"
    if report.get("threshold_origin"):
        where = safe_text(report["threshold_origin"], 500)
        yield f"  Threshold: {report['threshold']:.6g} (set in {where})"
    if report["family_recall"]:
        yield "  Recall by family:"
    families = ends.get("family_recall", {})
    for family, figures in report["family_recall"].items():
        yield (
            f"    {safe_text(family, 20):<8} {_percent(figures['recall']):>6}  "
            f"({figures['threats']} threats){_between(families.get(family))}"
        )


_COUNTS = (
    ("True Positives", "tp"),
    ("True Negatives", "tn"),
    ("False Positives", "fp"),
    ("False Negatives", "fn"),
)
_SHARES = (
    ("Accuracy", "accuracy"),
    ("Precision", "precision"),
    ("Recall", "recall"),
    ("F1 Score", "f1"),
)


def _comparison(report: Report) -> Iterator[str]:
    models, recommendation = report["models"], report["recommendation"]
    yield f"Model Comparison ({report['dataset']['prompts']} test prompts)"
    headers = ["Model", "Accuracy", "P95 Latency", "Memory (MB)", "Winner"]
    yield format_table(headers, [_overview(row) for row in models])
    headers = ["Model", "F1", "Recall", "False Positives", "ROC AUC", "Recall at 1% FPR"]
    yield format_table(headers, [_quality(row) for row in models])
    families = sorted({family for row in models for family in row["family_recall"]})
    if families:
        headers = ["Recall by family", *(safe_text(family, 20) for family in families)]
        yield format_table(headers, [_families(row, families) for row in models])
    for row in models:
        if row.get("threshold_origin"):
            yield threshold_line(row["model_id"], row["threshold"], row["threshold_origin"])
    if report["pairs"]:
        yield "Differences (second - first; p adjusted for the number of pairs):"
    for pair in report["pairs"]:
        yield from _pair(pair)
    yield from _fronts(models)
    for row in models:
        for verdict in row["constraints"]:
            mark = "✅" if verdict["met"] else "❌" if verdict["certain"] else "❔"
            yield f"  {mark} {row['model_id']}: {verdict['reason']}"
    yield ""
    yield f"Recommendation: {recommendation['model_id'] or 'none'}"
    yield f"Reason: {recommendation['reason']}"


def threshold_line(model_id: str, value: float, origin: str) -> str:
    """Return what is said under a table of a model that decides at the user's threshold."""
    return f"Threshold of {safe_text(model_id, 64)}: {value:.6g} (set in {safe_text(origin, 500)})"


def _overview(row: Report) -> list[str]:
    marks, latency = row["marks"], row["latency_ms"]
    memory = "n/a" if row["memory_mb"] is None else f"{row['memory_mb']:.0f}"
    return [
        safe_text(row["model_id"], 64),
        f"{_with_interval(row, 'accuracy')} {marks['accuracy']}".rstrip(),
        f"{latency['p95']:.1f}ms{_between(latency['p95_interval'], '.1f')} "
        f"{marks['latency']}".rstrip(),
        f"{memory} {marks['memory']}".rstrip(),
        marks["winner"],
    ]


def _quality(row: Report) -> list[str]:
    auc = row["roc_auc"]
    return [
        safe_text(row["model_id"], 64),
        _with_interval(row, "f1"),
        _with_interval(row, "recall"),
        _with_interval(row, "false_positive_rate"),
        "n/a" if auc is None else f"{auc:.3f}{_between(row['intervals']['roc_auc'], '.3f')}",
        _with_interval(row, "recall_at_1pct_fpr"),
    ]


def _families(row: Report, families: Sequence[str]) -> list[str]:
    found = row["family_recall"]
    cells = [_percent(found[name]["recall"]) if name in found else "n/a" for name in families]
    return [safe_text(row["model_id"], 64), *cells]


def _pair(pair: Report) -> Iterator[str]:
    yield f"  {safe_text(pair['first'], 64)} → {safe_text(pair['second'], 64)}"
    parts = []
    for label, name, form in (("accuracy", "accuracy", "+.1%"), ("F1", "f1", "+.1%")):
        if pair[name] is not None:
            parts.append(f"{label} {_tested(pair[name], form)}")
    if pair["roc_auc"] is not None:
        parts.append(f"AUC {_tested(pair['roc_auc'], '+.3f')}")
    latency = pair["latency"]
    if latency["ratio"] is not None:
        times = f"time x{latency['ratio']:.2f}{_between(latency['interval'], '.2f')}"
        parts.append(f"{times}: {latency['verdict']}")
    yield from (f"    {part}" for part in parts)


def _tested(found: Report, form: str) -> str:
    verdict = "significant" if found["p_holm"] < 0.05 else "no significant difference"
    ends = _between(found["interval"], form)
    return f"{found['difference']:{form}}{ends}, p = {found['p_holm']:.2g}: {verdict}"


def _fronts(models: Sequence[Report]) -> Iterator[str]:
    if len(models) < 2:
        return
    front = [row["model_id"] for row in models if row["pareto"]["on_front"]]
    quality = "accuracy" if models[0]["f1"] is None else "F1"
    yield f"Pareto front ({quality}, P95, memory): {', '.join(front)}"
    for row in models:
        found = row["pareto"]
        if not found["on_front"]:
            sure = f"{found['confidence']:.0%} confidence"
            yield f"  {row['model_id']} is dominated by {found['dominated_by']} with {sure}"


def _benchmark(report: Report) -> Iterator[str]:
    yield f"Benchmarked models ({report['plan']['iterations']} iterations each)"
    for row in report["models"]:
        yield ""
        yield f"Model: {safe_text(row['model_id'], 64)}"
        yield from (f"  {line}" for line in _benchmarked(row))
    for pair in report["pairs"]:
        yield (
            f"{pair['first']} → {pair['second']}: CPU time x{pair['cpu']['ratio']:.3f}"
            f"{_between(pair['cpu']['interval'], '.3f')}, {pair['verdict']}"
        )
    if report["environment"]["contended"]:
        share = report["environment"]["contention"]
        yield f"Contended: other processes used {share:.1f} cores; compare CPU times, not wall."


def _benchmarked(row: Report) -> Iterator[str]:
    if row.get("error"):
        yield f"❌ {safe_text(row['error'], 500)}"
        return
    mix = row["latency"]["wall_ms"]
    parts = []
    for name in ("p50", "p95", "p99"):
        value = mix[name]
        parts.append(f"{name.upper()}: {'n/a (too few)' if value is None else f'{value:.1f}ms'}")
    yield f"{'  '.join(parts)} {row['mark']}".rstrip()
    cold, memory = row["cold_ms"], row["memory_mb"]
    total = cold["registry"] + cold["load"] + cold["first"]
    yield f"Cold start: {total:.0f}ms (load {cold['load']:.0f}ms, first {cold['first']:.1f}ms)"
    held = "n/a" if memory is None else f"{memory:.0f} MB"
    yield f"Throughput: {row['throughput_per_sec']:.1f} texts/sec    Memory: {held}"
    for cell in row["grid"]:
        yield (
            f"  {cell['tokens']:>4} tokens, batch {cell['batch']:>2}: "
            f"{cell['wall_ms_per_text']:.2f}ms per text ({cell['cpu_ms_per_text']:.2f}ms CPU)"
        )
    loop = row.get("open_loop")
    if loop and loop["p95_ms"] is not None:
        yield f"Open loop at {loop['rate_per_sec']:.1f}/s: P95 {loop['p95_ms']:.1f}ms"
    highest = row.get("highest_rate")
    if highest:
        rate = "none" if highest["rate_per_sec"] is None else f"{highest['rate_per_sec']:.1f}/s"
        yield f"Highest rate with P95 below {highest['p95_bound_ms']:.1f}ms: {rate}"
    shown = ", ".join(f"{t['threads']}: {t['texts_per_sec']:.1f}" for t in row.get("threads", ()))
    if shown:
        yield f"Texts/sec by threads: {shown}"


def _gate(report: Report) -> Iterator[str]:
    gate = report.get("gate")
    if not gate:
        return
    yield ""
    yield f"Gate: {gate['verdict']}"
    marks = {"passed": "✅", "failed": "❌", "inconclusive": "❔"}
    for check in gate["checks"]:
        yield f"  {marks[check['verdict']]} {safe_text(check['reason'], 400)}"


def _with_interval(row: Report, name: str) -> str:
    return f"{_percent(row[name])}{_between(row['intervals'].get(name))}"


def _between(ends: Sequence[float] | None, form: str = ".1%") -> str:
    if not ends:
        return ""
    low, high = (f"{end:{form}}" for end in ends)
    return f" [{low}, {high}]"


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{fraction:.1%}"


def _decimal(number: float | None) -> str:
    return "n/a (needs threats and benign prompts)" if number is None else f"{number:.3f}"

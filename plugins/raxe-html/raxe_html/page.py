"""The page: what the report says in words and tables, then the plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raxe_html.benchmark import benchmark_body
from raxe_html.plots import quality_axis, quality_plots, timed
from raxe_html.style import CSS
from raxe_html.text import escaped, number, percent, table

__all__ = ["render_page"]

Report = Mapping[str, Any]
# Nothing is fetched, and no script runs, whatever a prompt holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(report: Report) -> str:
    """Return one HTML document that needs neither network nor script."""
    kind = str(report.get("kind", "evaluation"))
    title = f"RAXE {kind}"
    body = "\n".join(benchmark_body(report) if kind == "benchmark" else _body(report))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<h1>{escaped(title)}</h1>\n{body}\n</body>\n</html>"
    )


def _body(report: Report) -> Iterator[str]:
    models = list(report["models"]) if "models" in report else [report]
    yield _subtitle(report)
    if "recommendation" in report:
        found = report["recommendation"]
        yield (
            f'<div class="best"><strong>Recommendation: {escaped(found["model_id"] or "none")}'
            f"</strong><br>{escaped(found['reason'], 2_000)}</div>"
        )
    yield from _gate(report)
    yield _quality_table(models)
    for model in models:
        if number_timed := timed(model):
            yield (
                f'<p class="soft">Latencies of {escaped(model["model_id"])} are of '
                f"{number_timed:,} prompts judged alone.</p>"
            )
    yield from _pairs(report.get("pairs", ()))
    yield from _constraints(models)
    yield from _pareto(models)
    yield from quality_plots(models)
    yield from _families(models)
    for model in models:
        yield from _confusion(model)
        yield from _worst(model)


def _subtitle(report: Report) -> str:
    dataset = report.get("dataset")
    if not dataset:
        return ""
    digests = ", ".join(f"{name} {digest[:12]}" for name, digest in dataset["sha256"].items())
    return (
        f'<p class="soft">{dataset["prompts"]:,} prompts, {dataset["threats"]:,} of them threats '
        f"· {escaped(dataset['name'])} · SHA-256 {escaped(digests)} · "
        "brackets hold 95% intervals</p>"
    )


def _gate(report: Report) -> Iterator[str]:
    gate = report.get("gate")
    if gate:
        rows = [
            [escaped(c["verdict"]), escaped(c["model_id"]), escaped(c["reason"])]
            for c in gate["checks"]
        ]
        yield f"<h2>Gate: {escaped(gate['verdict'])}</h2>"
        yield table(["Verdict", "Model", "Reason"], rows)


def _quality_table(models: Sequence[Report]) -> str:
    rows = []
    for model in models:
        ends, latency = model["intervals"], model["latency_ms"]
        rows.append(
            [
                escaped(model["model_id"]),
                *(percent(model[n], ends.get(n)) for n in ("accuracy", "f1", "recall")),
                percent(model["false_positive_rate"], ends.get("false_positive_rate")),
                number(model["roc_auc"], ".3f", ends.get("roc_auc")),
                percent(model["recall_at_1pct_fpr"], ends.get("recall_at_1pct_fpr")),
                number(latency["p95"], ".1f", latency["p95_interval"]),
                number(model.get("memory_mb"), ".0f"),
            ]
        )
    headers = ["Model", "Accuracy", "F1", "Recall", "False positives", "ROC AUC"]
    return table([*headers, "Recall at 1% FPR", "P95 (ms)", "Memory (MB)"], rows)


def _pairs(pairs: Sequence[Report]) -> Iterator[str]:
    if not pairs:
        return
    rows = []
    for pair in pairs:
        latency = pair["latency"]
        ratio = number(latency["ratio"], ".2f", latency["interval"])
        names = f"{escaped(pair['first'])} → {escaped(pair['second'])}"
        tested = [_tested(pair[name]) for name in ("accuracy", "f1", "roc_auc")]
        rows.append([names, *tested, f"x{ratio} {escaped(latency['verdict'])}"])
    yield "<h2>Differences</h2>"
    yield table(["Second - first", "Accuracy", "F1", "ROC AUC", "Time"], rows)


def _constraints(models: Sequence[Report]) -> Iterator[str]:
    rows = [
        [
            "met" if found["met"] else "not met" if found["certain"] else "undecided",
            escaped(model["model_id"]),
            escaped(found["reason"]),
        ]
        for model in models
        for found in model.get("constraints", ())
    ]
    if rows:
        yield "<h2>Constraints</h2>"
        yield table(["Verdict", "Model", "Reason"], rows)


def _pareto(models: Sequence[Report]) -> Iterator[str]:
    if len(models) < 2:
        return
    for model in models:
        found = model.get("pareto")
        if found and not found["on_front"]:
            yield (
                f"<p>{escaped(model['model_id'])} is dominated by {escaped(found['dominated_by'])} "
                f"with {found['confidence']:.0%} confidence "
                f"({quality_axis(models)}, P95 latency, memory).</p>"
            )


def _tested(found: Report | None) -> str:
    if found is None:
        return "n/a"
    verdict = "significant" if found["p_holm"] < 0.05 else "no significant difference"
    return (
        f"{number(found['difference'], '+.3f', found['interval'])}<br>"
        f"<small>p = {found['p_holm']:.2g}: {verdict}</small>"
    )


def _families(models: Sequence[Report]) -> Iterator[str]:
    names = sorted({name for model in models for name in model["family_recall"]})
    if not names:
        return
    rows = []
    for model in models:
        found, ends = model["family_recall"], model["intervals"].get("family_recall", {})
        cells = [percent(found[n]["recall"], ends.get(n)) if n in found else "n/a" for n in names]
        rows.append([escaped(model["model_id"]), *cells])
    yield "<h2>Recall by family</h2>"
    yield table(["Model", *map(escaped, names)], rows)


def _confusion(model: Report) -> Iterator[str]:
    cells = model.get("details", {}).get("family_confusion", ())
    if not cells:
        return
    found = {(cell["family"], cell["predicted"]): cell["prompts"] for cell in cells}
    truths = sorted({truth for truth, _ in found}, key=_benign_first)
    names = sorted({name for _, name in found}, key=_benign_first)
    rows = [
        [escaped(truth or "benign"), *(str(found.get((truth, name), 0)) for name in names)]
        for truth in truths
    ]
    yield f"<h2>Families, {escaped(model['model_id'])}</h2>"
    yield table(["Labelled", *(f"as {escaped(name or 'benign')}" for name in names)], rows)


def _benign_first(family: str | None) -> str:
    return family or ""


def _worst(model: Report) -> Iterator[str]:
    errors = model.get("details", {}).get("worst_errors", ())
    if not errors:
        return
    rows = [
        [
            "missed threat" if error["label"] else "false alarm",
            escaped(error["family"] or ""),
            f"{error['score']:.4f}",
            escaped(error["text"]),
        ]
        for error in errors
    ]
    yield f"<h2>Worst errors, {escaped(model['model_id'])}</h2>"
    yield table(["Error", "Family", "Score", "Prompt"], rows)

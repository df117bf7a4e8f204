"""Which plots a report has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raxe_html.svg import Series, bars, lines, scatter

__all__ = ["benchmark_plots", "quality_axis", "quality_plots", "timed"]

Report = Mapping[str, Any]
_UNIT = (0.0, 1.0)


def quality_plots(models: Sequence[Report]) -> Iterator[str]:
    """Yield the section of plots of judgements; nothing where the report has no details."""
    return _section(_quality(models))


def benchmark_plots(models: Sequence[Report]) -> Iterator[str]:
    """Yield the section of plots of times; nothing where no model was measured."""
    return _section(_benchmark(models))


def _section(figures: Iterator[str]) -> Iterator[str]:
    drawn = list(figures)
    if drawn:
        yield "<h2>Plots</h2>"
        yield f'<div class="plots">{"".join(drawn)}</div>'


def _quality(models: Sequence[Report]) -> Iterator[str]:
    detailed = [model for model in models if model.get("details")]
    roc = _series(detailed, "roc")
    if roc:
        yield lines("ROC", roc, ("false positive rate", "recall"), x=_UNIT, y=_UNIT, diagonal=True)
        labels = ("recall", "precision")
        yield lines("Precision and recall", _series(detailed, "pr"), labels, x=_UNIT, y=_UNIT)
    for model in detailed:
        counts = model["details"]["score_histogram"]
        series = [
            Series(name, [(i / len(counts[name]), n) for i, n in enumerate(counts[name])])
            for name in ("benign", "threat")
        ]
        yield bars(f"Scores, {model['model_id']}", series, ("score", "prompts"))
    calibration = [
        Series(m["model_id"], [(c["score"], c["share"]) for c in m["details"]["calibration"]])
        for m in detailed
    ]
    if calibration:
        labels = ("mean score", "share of threats")
        yield lines("Calibration", calibration, labels, x=_UNIT, y=_UNIT, diagonal=True)
    latency = [
        Series(
            model["model_id"],
            [(ms, percent) for percent, ms in model["details"]["latency_quantiles_ms"][:100]],
        )
        for model in detailed
    ]
    if latency:
        label = "percent of timed prompts" if any(map(timed, models)) else "percent of prompts"
        yield lines("Latency", latency, ("milliseconds", label))
    if len(models) > 1:
        front = [Series(m["model_id"], [(m["latency_ms"]["p95"], _height(m))]) for m in models]
        yield scatter("Pareto plot", front, ("P95 latency, ms", quality_axis(models)))


def quality_axis(models: Sequence[Report]) -> str:
    """Return what models are compared by: without a threat, none has an F1."""
    return "accuracy" if models[0]["f1"] is None else "F1"


def timed(model: Report) -> int | None:
    """Return how many prompts the latencies are of; None where that is all of them."""
    prompts: int | None = model["latency_ms"].get("prompts")
    judged = sum(model[name] for name in ("tp", "tn", "fp", "fn"))
    return None if prompts == judged else prompts


def _height(model: Report) -> float:
    """Return F1; accuracy where there is no threat."""
    return float(model["accuracy"] if model["f1"] is None else model["f1"])


def _benchmark(models: Sequence[Report]) -> Iterator[str]:
    latency, grid = [], []
    for model in models:
        counts = model["latency"]["wall_us_histogram"]["counts"]
        latency.append(Series(model["model_id"], _cumulative(counts)))
        cells = [(c["tokens"], c["wall_ms_per_text"]) for c in model["grid"] if c["batch"] == 1]
        grid.append(Series(model["model_id"], sorted(cells)))
    if latency:
        yield lines("Latency of single calls", latency, ("milliseconds", "percent of calls"))
        yield lines("Length", grid, ("tokens", "milliseconds per text"))


def _cumulative(counts: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
    """Return the share of calls up to each bucket, without the slowest hundredth."""
    total, seen, points = sum(n for _, n in counts), 0, []
    for lowest, count in counts:
        seen += count
        points.append((lowest / 1e3, 100 * seen / total))
    return [point for point in points if point[1] <= 99] or points


def _series(models: Sequence[Report], name: str) -> list[Series]:
    return [
        Series(model["model_id"], model["details"][name])
        for model in models
        if model["details"][name]
    ]

"""Compare models that judged the same prompts: figures, tests, ranking, a recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from raxe_core.constraints import RATIOS, Constraint, Figure
from raxe_core.evaluation.details import details
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.packed import pack_bits, pack_scores, pack_times
from raxe_core.evaluation.pairs import pair_reports
from raxe_core.evaluation.pareto import pareto
from raxe_core.evaluation.recommendation import recommend
from raxe_core.model import Model
from raxe_core.ranking import rank
from raxe_core.records import Criteria

__all__ = ["SCHEMA_VERSION", "Comparison", "Contender", "compare", "figures_of"]

SCHEMA_VERSION = 1


@attrs.frozen
class Contender:
    """One model of a comparison; ``memory_mb`` is the memory (PSS) of a process that loaded it."""

    model: Model
    judgements: Judgements
    memory_mb: float | None = None
    size_mb: float | None = None


@attrs.frozen
class Comparison:
    """The result of a comparison; ``report`` is its JSON form."""

    report: Mapping[str, Any]

    @property
    def recommended(self) -> str | None:
        """The id of the recommended model; None when no model meets the constraints."""
        model_id: str | None = self.report["recommendation"]["model_id"]
        return model_id

    def print_table(self) -> None:
        """Print what ``raxe models compare`` prints."""
        from raxe_core.builtin.reporters import render_table

        print(render_table(self.report))  # noqa: T201  # that is what it is for


class MeasuredModel(Model):
    """A model whose figures are those of this comparison, for criteria to rank by."""

    def __init__(self, model: Model, figures: Mapping[str, Figure]) -> None:
        super().__init__(model.metadata_json, model.source, model.bundle_path, model.problem)
        measured = {name: figure.value for name, figure in figures.items()}
        self._measured = {
            "p50_latency_ms": measured["p50_latency_ms"],
            "p95_latency_ms": measured["p95_latency_ms"],
            "memory_mb": measured["memory_mb"],
            # Without threats no model has an F1, and the share of right decisions is what differs.
            "binary_f1": measured["accuracy"] if measured["f1"] is None else measured["f1"],
            "false_positive_rate": measured["false_positive_rate"],
            "false_negative_rate": measured["false_negative_rate"],
        }

    def figure(self, section: str, field: str) -> float | None:
        """Return the figure of this comparison, or the metadata's where none was measured."""
        if field in self._measured:
            return self._measured[field]
        return super().figure(section, field)


def compare(
    contenders: Sequence[Contender],
    dataset: Mapping[str, Any],
    criteria: Criteria,
    constraints: Sequence[Constraint] = (),
    environment: Mapping[str, Any] | None = None,
    detailed: bool = False,
) -> Comparison:
    """Compare models that judged the same prompts in the same order.

    With ``detailed``, each model's row has what reporters with plots need.
    """
    rows = [_row(contender, dataset) for contender in contenders]
    if detailed:
        for row, contender in zip(rows, contenders, strict=True):
            row["details"] = details(contender.judgements)
    figures = {row["model_id"]: figures_of(row) for row in rows}
    pairs = pair_reports([contender.judgements for contender in contenders])
    ranked = rank([MeasuredModel(c.model, figures[c.model.model_id]) for c in contenders], criteria)
    scores = {item.model.model_id: item.score for item in ranked}
    for row in rows:
        verdicts = [constraint.judge(figures[row["model_id"]]) for constraint in constraints]
        row["constraints"] = [
            {"constraint": str(constraint), **verdict._asdict()}
            for constraint, verdict in zip(constraints, verdicts, strict=True)
        ]
        row["criteria_score"] = scores[row["model_id"]]
    pareto(rows, pairs)
    order = [item.model.model_id for item in ranked if item.score is not None]
    report = {
        "kind": "comparison",
        "schema_version": SCHEMA_VERSION,
        "dataset": dict(dataset),
        "environment": dict(environment or {}),
        "criteria": {"name": criteria.name, "description": criteria.description},
        "models": rows,
        "pairs": pairs,
        "recommendation": recommend(rows, pairs, order, criteria),
    }
    _mark(rows, report["recommendation"])  # type: ignore[arg-type]
    return Comparison(report)


def figures_of(row: Mapping[str, Any]) -> dict[str, Figure]:
    """Return a model's figures with their intervals, by the metric's name."""
    found = {}
    for name in RATIOS:
        ends = row["intervals"].get(name) or (None, None)
        found[name] = Figure(row[name], *ends)
    latency = row["latency_ms"]
    for share in ("p50", "p95"):
        ends = latency[f"{share}_interval"]
        # Without an interval there are too few samples: a constraint on it is never certain.
        low, high = ends or (0.0, float("inf"))
        found[f"{share}_latency_ms"] = Figure(latency[share], low, high)
    for name in ("memory_mb", "size_mb"):
        found[name] = Figure(row.get(name))
    return found


def _row(contender: Contender, dataset: Mapping[str, Any]) -> dict[str, Any]:
    judgements = contender.judgements
    row = judgements.report(dataset)
    del row["kind"], row["dataset"]
    return {
        **row,
        "name": contender.model.name,
        "variant": contender.model.variant,
        "memory_mb": contender.memory_mb,
        "size_mb": contender.size_mb,
        "judgements": {
            "decisions": pack_bits(judgements.decisions),
            "labels": pack_bits(judgements.labels),
            "scores": pack_scores(judgements.scores),
            "times_ms": pack_times(judgements.latencies),
        },
    }


def _mark(rows: list[dict[str, Any]], recommendation: Mapping[str, Any]) -> None:
    """Mark the winners, as in the documentation: accuracy, speed (two places), memory, best."""
    for row in rows:
        row["marks"] = {"accuracy": "", "latency": "", "memory": "", "winner": ""}
    best = max(row["accuracy"] for row in rows)
    quick = sorted({row["latency_ms"]["p95"] for row in rows})
    sizes = [row["memory_mb"] for row in rows if row["memory_mb"] is not None]
    for row in rows:
        marks = row["marks"]
        place = quick.index(row["latency_ms"]["p95"])
        marks["accuracy"] = "🎯" if row["accuracy"] == best else ""
        marks["latency"] = "⚡⚡" if place == 0 else "⚡" if place == 1 and len(rows) > 2 else ""
        marks["memory"] = "💾" if len(sizes) > 1 and row["memory_mb"] == min(sizes) else ""
        if row["model_id"] == recommendation["model_id"]:
            marks["winner"] = "⭐ Best"

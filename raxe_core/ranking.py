"""Rank models by a criteria."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from raxe_core.errors import NoModelError, PluginError
from raxe_core.model import Model
from raxe_core.records import Criteria

if TYPE_CHECKING:
    from raxe_core.constraints import Constraint

__all__ = ["Ranked", "best_model", "rank", "unmet_constraint"]

# Where a model's metadata has the figure that a constraint is about.
_FIGURES = {
    "f1": ("accuracy", "binary_f1"),
    "false_positive_rate": ("accuracy", "false_positive_rate"),
    "false_negative_rate": ("accuracy", "false_negative_rate"),
    "p50_latency_ms": ("performance", "p50_latency_ms"),
    "p95_latency_ms": ("performance", "p95_latency_ms"),
    "memory_mb": ("performance", "memory_mb"),
    "size_mb": ("file_info", "size_mb"),
}


class Ranked(NamedTuple):
    """A model with its score; None where it was never measured."""

    model: Model
    score: float | None


def rank(models: Iterable[Model], criteria: Criteria) -> list[Ranked]:
    """Return the models from best to worst.

    An unmeasured model comes after every measured one; equal scores are ordered by model id.

    Raises:
        PluginError: the criteria failed or gave no finite number, so the order is undecided.
    """
    return sorted(_scored(models, criteria), key=_best_first)


def best_model(
    models: Iterable[Model], criteria: Criteria, constraints: Sequence[str] = ()
) -> Ranked:
    """Return the best active model that meets the constraints, such as ``p95_latency_ms<10``.

    Raises:
        UsageError: a constraint cannot be read.
        NoModelError: there is no active model, or none meets the constraints.
        PluginError: as :func:`rank`.
    """
    active = [model for model in models if model.status == "active"]
    if not active:
        raise NoModelError(
            "No active model can be used. See: raxe models list, and raxe plugins list; or install "
            "one: pip install raxe-l2 raxe-onnx"
        )
    fitting = _within(active, constraints) if constraints else active
    return min(_scored(fitting, criteria), key=_best_first)


def _within(models: list[Model], constraints: Sequence[str]) -> list[Model]:
    from raxe_core.constraints import parse_constraints  # not at the top: a list needs none

    limits = parse_constraints(constraints)
    for limit in limits:
        models = _fitting(models, limit)
    if not models:
        raise NoModelError(
            f"No active model meets {' and '.join(map(str, limits))}. "
            "See: raxe models which --explain"
        )
    return models


def unmet_constraint(model: Model, constraints: Sequence[Constraint]) -> str | None:
    """Return why a model does not meet the constraints, or None when it does."""
    from raxe_core.constraints import Figure

    for constraint in constraints:
        if not _fitting([model], constraint):
            place = _FIGURES.get(constraint.metric)
            value = None if place is None else model.figure(*place)
            reason = constraint.judge({constraint.metric: Figure(value)}).reason
            if value is None or place is None:
                return reason
            measured = place[0] == "performance" and place[1] in model.measured
            return f"{reason} ({'measured on this machine' if measured else 'claimed'})"
    return None


def _scored(models: Iterable[Model], criteria: Criteria) -> Iterator[Ranked]:
    for model in models:
        try:
            score = criteria.score(model)
            if score is not None and not math.isfinite(score):
                raise ValueError(f"{score} is not a finite number")
        except Exception as error:
            # The error of a plugin's criteria gives the same advice.
            reason = str(error).removesuffix(" Choose another.").removesuffix(".")
            raise PluginError(
                f"Criteria {criteria.name!r} failed on model {model.model_id}: {reason}. "
                "Choose another: raxe config set l2_model.auto_criteria balanced"
            ) from error
        yield Ranked(model, score)


def _fitting(models: Iterable[Model], constraint: Constraint) -> list[Model]:
    """Return the models that meet a constraint; an unknown figure does not."""
    if constraint.metric not in _FIGURES:
        return []
    section, field = _FIGURES[constraint.metric]
    holds, limit = constraint.holds, constraint.limit
    return [
        model
        for model in models
        if (value := model.figure(section, field)) is not None and holds(value, limit)
    ]


def _best_first(ranked: Ranked) -> tuple[bool, float, str]:
    return (ranked.score is None, -(ranked.score or 0.0), ranked.model.model_id)

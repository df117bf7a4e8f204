"""Rank models by a criteria."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from raxe_core.errors import NoModelError, PluginError
from raxe_core.model import Model
from raxe_core.records import Criteria

__all__ = ["Ranked", "best_model", "rank"]


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
    ranked = []
    for model in models:
        try:
            score = criteria.score(model)
            if score is not None and not math.isfinite(score):
                raise ValueError(f"{score} is not a finite number")
        except Exception as error:
            raise PluginError(
                f"Criteria {criteria.name!r} failed on model {model.model_id}: {error}. "
                "Choose another with --criteria or l2_model.auto_criteria."
            ) from error
        ranked.append(Ranked(model, score))
    return sorted(ranked, key=_best_first)


def best_model(models: Iterable[Model], criteria: Criteria) -> Ranked:
    """Return the best active model.

    Raises:
        NoModelError: there is no active model.
        PluginError: as :func:`rank`.
    """
    ranked = rank((model for model in models if model.status == "active"), criteria)
    if not ranked:
        raise NoModelError(
            "No active model can be used. See: raxe models list, or install one: "
            "pip install raxe-l2 raxe-onnx"
        )
    return ranked[0]


def _best_first(ranked: Ranked) -> tuple[bool, float, str]:
    return (ranked.score is None, -(ranked.score or 0.0), ranked.model.model_id)

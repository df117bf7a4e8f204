"""Why the selected model is the selected one: the settings that led to it, and every candidate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from raxe_core.config import Config
from raxe_core.constraints import Constraint, parse_constraints
from raxe_core.errors import RaxeError
from raxe_core.model import Model
from raxe_core.ranking import Ranked, rank, unmet_constraint
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.selection import NO_STRATEGY, fall_back, resolved

__all__ = ["Candidate", "Step", "candidates", "chain", "effective_selection"]

_BY_RANK = ("auto", "benchmark")


class Step(NamedTuple):
    """One place that can decide, from the strongest to the weakest, and what it says."""

    source: str
    value: str | None


class Candidate(NamedTuple):
    """A model with its value for the criteria, and what became of it."""

    model_id: str
    value: float | None
    verdict: str


def effective_selection(registry: ModelRegistry, user_id: str | None = None) -> Selection:
    """Return the model that a scan would use now, as far as can be told without loading it.

    Raises:
        RaxeError: no model could be used.
    """
    selection = None
    try:
        selection = registry.select(user_id, for_scan=False)
        registry.usable_model(selection.model_id)
    except RaxeError as error:
        selection = fall_back(registry.config, selection, error)
        registry.usable_model(selection.model_id)
    return selection


def chain(config: Config) -> list[Step]:
    """Return what each place that can decide says; None where it says nothing."""
    steps = [
        Step(name, os.environ.get(name)) for name in ("RAXE_L2_MODEL", "RAXE_L2_MODEL_CRITERIA")
    ]
    for file in reversed(config.files):
        told = [
            f"{key} = {found.value}"
            for key, found in config.values.items()
            if found.origin == str(file) and key.startswith("l2_model.")
        ]
        steps.append(Step(str(file), ", ".join(told) or None))
    return [*steps, Step("default", "selection = auto, auto_criteria = balanced")]


def candidates(registry: ModelRegistry, selection: Selection | None) -> list[Candidate]:
    """Return every model, the best by the configured criteria first, and why it was not chosen.

    ``selection`` is None where no model could be used. Where the criteria or the constraints cannot
    be used, the models come in the order of their ids; none come where they cannot be listed.
    """
    criteria = registry.config.get("l2_model.auto_criteria")
    limits: tuple[Constraint, ...] = ()
    ranked: list[Ranked] = []
    unranked = None
    try:
        ranked = [Ranked(model, None) for model in registry.list_models()]
        limits = parse_constraints(registry.config.get("l2_model.constraints"))
        ranked = rank(registry.list_models(), registry.host.criteria(criteria))
    except RaxeError as error:
        unranked = f"not ranked: {error}"
    chosen = None if selection is None else selection.model_id
    best = next((item for item in ranked if item.model.model_id == chosen), None)
    strategy = NO_STRATEGY if selection is None else selection.strategy
    if strategy not in (*_BY_RANK, NO_STRATEGY):
        unranked = None

    def verdict(item: Ranked) -> str:
        if item is best:
            return "chosen"
        unusable = _unusable(registry, item.model, limits)
        return unusable or unranked or _loss(item, best, criteria, strategy)

    return [Candidate(item.model.model_id, item.score, verdict(item)) for item in ranked]


def _loss(item: Ranked, best: Ranked | None, criteria: str, strategy: str) -> str:
    """Return why a model that could be used was not chosen."""
    if strategy in ("explicit", NO_STRATEGY):
        return "not named by the configuration"
    if strategy not in _BY_RANK:
        return f"not the choice of {strategy}"
    if item.score is None:
        return f"not measured for {criteria}"
    if best is None or best.score is None or item.score > best.score:
        return "not named by the configuration"  # as the fallback is
    if item.score < best.score:
        return f"{criteria} {item.score:.4g} is below {best.score:.4g}"
    return "tie, later id"


def _unusable(registry: ModelRegistry, model: Model, limits: Sequence[Constraint]) -> str | None:
    """Return why a model cannot be selected by criteria, or None when it can."""
    stands_for = resolved(registry.config, model.model_id)
    if stands_for != model.model_id:
        return f"hidden: an alias of this name stands for {stands_for}"
    try:
        registry.usable_model(model.model_id)
    except RaxeError as error:
        return f"{error.kind}: {error}"
    if model.status != "active":
        return f"status is {model.status}; only active models are selected by criteria"
    return unmet_constraint(model, limits)

"""Why the selected model is the selected one: the settings that led to it, and every candidate."""

from __future__ import annotations

import copy
import os
from typing import Any, NamedTuple

from raxe_core.config import Config
from raxe_core.constraints import Constraint
from raxe_core.errors import RaxeError
from raxe_core.model import Model
from raxe_core.ranking import rank, unmet_constraint
from raxe_core.records import Criteria, Selection
from raxe_core.registry import ModelRegistry
from raxe_core.selection import (
    BY_CRITERIA,
    NO_STRATEGY,
    active_strategy,
    configured_constraints,
    configured_criteria,
    fall_back,
    resolved,
    with_alias,
)
from raxe_core.settings import L2, MODEL_NAMES

__all__ = ["Candidate", "Step", "candidates", "chain", "effective_selection"]


class Step(NamedTuple):
    """One place that can decide, from the strongest to the weakest, and what it says."""

    source: str
    value: str | None


class Candidate(NamedTuple):
    """A model with its value for the criteria, and what became of it.

    ``origin`` says what the value rests on: ``measured`` on this machine, ``claimed`` by the
    metadata, or ``both``; None where there is no value.
    """

    model_id: str
    value: float | None
    verdict: str
    origin: str | None = None


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
    """Return what each place that can decide says, also where a stronger one wins.

    None is said by a place that says nothing.
    """
    steps = [
        Step("RAXE_L2_MODEL", with_alias(config, os.environ.get("RAXE_L2_MODEL", "")) or None),
        Step("RAXE_L2_MODEL_CRITERIA", os.environ.get("RAXE_L2_MODEL_CRITERIA") or None),
    ]
    for file in reversed(config.files):
        said = config.said.get(file, {})
        told = [
            f"{key} = {with_alias(config, value) if key in MODEL_NAMES else value}"
            for key, (value, *_) in said.items()
            if key.startswith(L2)
        ]
        steps.append(Step(str(file), ", ".join(told) or None))
    return [*steps, Step("default", "selection = auto, auto_criteria = balanced")]


def candidates(registry: ModelRegistry, selection: Selection | None) -> list[Candidate]:
    """Return every model, the best by the configured criteria first, and why it was not chosen.

    ``selection`` is None where no model could be used. Where the criteria or the constraints cannot
    be used, the models come in the order of their ids; none come where they cannot be listed.
    """
    try:
        models = registry.list_models()
    except RaxeError:
        return []
    strategy = _strategy(registry, selection)
    criteria, limits, fault = _rules(registry)
    lost = {model.model_id: _unusable(registry, model, limits, strategy) for model in models}
    if criteria is not None:
        fault = _fault([model for model in models if lost[model.model_id] is None], criteria)
    scores = {model.model_id: _score(model, criteria) for model in models}
    chosen = "" if selection is None else selection.model_id
    name = registry.config.get("l2_model.auto_criteria")

    def verdict(model_id: str) -> str:
        if model_id == chosen:
            return "chosen"
        if reason := lost[model_id]:
            return reason
        if strategy in ("explicit", NO_STRATEGY):
            return "not named by the configuration"
        if strategy not in BY_CRITERIA:
            return f"not the choice of {strategy}"
        return fault or _loss(scores[model_id], scores.get(chosen), name)

    found = []
    for model in models:
        score = scores[model.model_id]
        origin = _origin(model, criteria, score)
        found.append(Candidate(model.model_id, score, verdict(model.model_id), origin))
    return sorted(found, key=lambda item: (item.value is None, -(item.value or 0.0), item.model_id))


class _Rules(NamedTuple):
    """What models are selected by, and why they cannot be ranked."""

    criteria: Criteria | None
    limits: tuple[Constraint, ...]
    fault: str | None


def _rules(registry: ModelRegistry) -> _Rules:
    try:
        limits = configured_constraints(registry.config)
        return _Rules(configured_criteria(registry.config, registry.host), limits, None)
    except RaxeError as error:
        return _Rules(None, (), f"not ranked: {error}")


def _fault(models: list[Model], criteria: Criteria) -> str | None:
    """Return why the models that can be selected, and no others, cannot be ranked."""
    try:
        rank(models, criteria)
    except RaxeError as error:
        return f"not ranked: {error}"
    return None


def _strategy(registry: ModelRegistry, selection: Selection | None) -> str:
    """Return the strategy that chose, or that could not."""
    if selection is not None and selection.strategy != NO_STRATEGY:
        return selection.strategy
    try:
        return active_strategy(registry.config, registry.host).name
    except RaxeError:
        return NO_STRATEGY


def _loss(score: float | None, best: float | None, criteria: str) -> str:
    """Return why a model that could be selected by criteria was not."""
    if score is None:
        return "tie, later id" if best is None else f"not measured for {criteria}"
    if best is None or score > best:
        return "not named by the configuration"  # as the fallback is
    return f"{criteria} {score:.4g} is below {best:.4g}" if score < best else "tie, later id"


def _unusable(
    registry: ModelRegistry, model: Model, limits: tuple[Constraint, ...], strategy: str
) -> str | None:
    """Return why a strategy cannot select a model, or None when it can."""
    stands_for = resolved(registry.config, model.model_id)
    if stands_for != model.model_id:
        return f"hidden: an alias of this name stands for {stands_for}"
    try:
        registry.usable_model(model.model_id)
    except RaxeError as error:
        return f"{error.kind}: {error}"
    if strategy not in BY_CRITERIA:
        return None
    if strategy == "benchmark" and not model.measured:
        return "not measured on this machine"
    if model.status != "active":
        return f"status is {model.status}; only active models are selected by criteria"
    return unmet_constraint(model, limits)


def _score(model: Model, criteria: Criteria | None) -> float | None:
    """Return a model's value; None also where the criteria fail on it."""
    if criteria is None:
        return None
    try:
        return rank([model], criteria)[0].score
    except RaxeError:
        return None


def _origin(model: Model, criteria: Criteria | None, score: float | None) -> str | None:
    """Return what a value rests on: without figures that it does not need, it stays the same."""
    if score is None:
        return None
    if not model.measured:
        return "claimed"
    described: dict[str, Any] = {"model_id": model.model_id, "status": model.status}
    described["requirements"] = {"runtime": model.runtime}
    measured, claimed = Model(described, model.source), copy.copy(model)
    measured.measured, claimed.measured = model.measured, {}
    if _score(measured, criteria) == score:
        return "measured"
    return "claimed" if _score(claimed, criteria) == score else "both"

"""The selection strategies of the core: explicit, auto, benchmark."""

from __future__ import annotations

from collections.abc import Iterable

from raxe_core.errors import ConfigError
from raxe_core.hookspecs import hookimpl
from raxe_core.ranking import best_model
from raxe_core.records import Selection, SelectionRequest, Strategy


def explicit(request: SelectionRequest) -> Selection:
    """Choose ``l2_model.model_id``."""
    model_id = request.settings.get("model_id")
    if model_id is None:
        raise ConfigError(
            "l2_model.selection is 'explicit', and l2_model.model_id is not set. "
            "Set it with: raxe models set-default MODEL"
        )
    return Selection(str(model_id), "explicit", "named explicitly")


def auto(request: SelectionRequest) -> Selection:
    """Choose the best active model by ``l2_model.auto_criteria``."""
    criteria = request.criteria(str(request.settings.get("auto_criteria", "balanced")))
    best = best_model(request.models, criteria)
    measured = "" if best.score is not None else ", though no model's figures tell"
    return Selection(best.model.model_id, "auto", f"{criteria.description}{measured}")


@hookimpl
def selection_strategies() -> Iterable[Strategy]:
    """Return the built-in strategies."""
    yield Strategy("explicit", "the model that l2_model.model_id names", explicit, once=True)
    yield Strategy("auto", "the best model by l2_model.auto_criteria", auto, once=True)

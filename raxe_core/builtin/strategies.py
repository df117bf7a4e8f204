"""The selection strategies of the core: explicit, auto, benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raxe_core.errors import ConfigError, NoModelError
from raxe_core.hookspecs import hookimpl
from raxe_core.model import Model
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
    return _best(request, request.models, "auto")


def benchmark(request: SelectionRequest) -> Selection:
    """As ``auto``, among the models that were measured on this machine."""
    measured = [model for model in request.models if model.measured]
    if not measured:
        raise NoModelError(
            "l2_model.selection is 'benchmark', and no model was measured on this machine. "
            "Measure them: raxe models benchmark"
        )
    return _best(request, measured, "benchmark")


def _best(request: SelectionRequest, models: Sequence[Model], strategy: str) -> Selection:
    criteria = request.criteria(request.settings["auto_criteria"])
    best = best_model(models, criteria, request.settings.get("constraints", ()))
    measured = "" if best.score is not None else ", though no model's figures tell"
    return Selection(best.model.model_id, strategy, f"{criteria.description}{measured}")


@hookimpl
def selection_strategies() -> Iterable[Strategy]:
    """Return the built-in strategies."""
    yield Strategy("explicit", "the model that l2_model.model_id names", explicit, once=True)
    yield Strategy("auto", "the best model by l2_model.auto_criteria", auto, once=True)
    yield Strategy("benchmark", "as auto, by what this machine measured", benchmark, once=True)

"""Select the model to use now: ask the strategy, and fall back where its choice cannot be used."""

from __future__ import annotations

from collections.abc import Mapping

from raxe_core.config import Config
from raxe_core.errors import PluginError, RaxeError
from raxe_core.model import Model
from raxe_core.plugins import PluginHost
from raxe_core.records import Selection, SelectionRequest, Strategy

__all__ = ["fall_back", "select"]


def select(
    config: Config, models: tuple[Model, ...], host: PluginHost, user_id: str | None = None
) -> Selection:
    """Return the model that the configuration asks for, and why.

    Raises:
        RaxeError: the strategy is unknown, failed, or has nothing to choose from.
    """
    strategy = _strategy(config.l2_model, host)
    request = SelectionRequest(models, config.l2_model, host.criteria, user_id)
    try:
        chosen = strategy.select(request)
    except RaxeError:
        raise
    except Exception as error:
        raise PluginError(
            f"Selection strategy {strategy.name!r} failed: {error}. "
            "Choose another with l2_model.selection."
        ) from error
    if not isinstance(chosen, Selection):
        raise PluginError(f"Selection strategy {strategy.name!r} returned no Selection.")
    return chosen._replace(reason=f"{chosen.reason} (set by {config.origin})")


def fall_back(config: Config, failed: Selection, error: RaxeError) -> Selection:
    """Return the configured fallback for a selection that could not be used.

    Raises:
        RaxeError: ``error`` itself, when no other model is configured as the fallback.
    """
    model_id = config.l2_model.get("fallback_model_id")
    if model_id is None or model_id == failed.model_id:
        raise error
    reason = f"fallback, because {failed.model_id} could not be used: {error}"
    return Selection(str(model_id), failed.strategy, reason, fallback_from=failed.model_id)


def _strategy(section: Mapping[str, object], host: PluginHost) -> Strategy:
    """A strategy with a section of its own and ``enabled: true`` goes before ``selection``."""
    for name, settings in section.items():
        if isinstance(settings, Mapping) and settings.get("enabled") is True:
            return host.strategy(name)
    return host.strategy(str(section.get("selection", "auto")))

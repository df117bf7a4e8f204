"""Select the model to use now: ask the strategy, and fall back where its choice cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from raxe_core.config import L2, Config
from raxe_core.errors import PluginError, RaxeError
from raxe_core.model import Model
from raxe_core.plugins import PluginHost
from raxe_core.records import Selection, SelectionRequest, Strategy

__all__ = ["NO_STRATEGY", "active_strategy", "fall_back", "resolved", "select"]


# The strategy of a selection that none has made.
NO_STRATEGY = "none"


class _Choice(NamedTuple):
    """A strategy, and the key of the setting that chose it."""

    strategy: Strategy
    key: str


def select(
    config: Config,
    models: tuple[Model, ...],
    host: PluginHost,
    user_id: str | None = None,
    for_scan: bool = True,
) -> Selection:
    """Return the model that the configuration asks for, and why.

    Raises:
        RaxeError: the strategy is unknown, failed, or has nothing to choose from.
    """
    strategy, key = _choice(config, host)
    hiding = config.get("aliases")
    if hiding:  # who asks for a model by the name of an alias gets what the alias stands for
        models = tuple(m for m in models if hiding.get(m.model_id, m.model_id) == m.model_id)
    request = SelectionRequest(
        models, config.l2_model, host.criteria, user_id, for_scan, config.path
    )
    try:
        chosen = strategy.select(request)
    except RaxeError:
        raise
    except Exception as error:
        raise PluginError(
            f"Selection strategy {strategy.name!r} failed: {error}. "
            "Choose another with l2_model.selection."
        ) from error
    if not isinstance(chosen, Selection) or not _names_models(chosen):
        raise PluginError(f"Selection strategy {strategy.name!r} returned no Selection.")
    origin = config.values[key].origin
    return chosen._replace(
        model_id=resolved(config, chosen.model_id),
        shadow_model_ids=tuple(resolved(config, name) for name in chosen.shadow_model_ids),
        reason=f"{chosen.reason} ({strategy.name}, set by {origin})",
    )


def resolved(config: Config, name: str) -> str:
    """Return the id of the model that a name stands for: an alias, or the id itself."""
    model_id: str = config.get("aliases").get(name, name)
    return model_id


def active_strategy(config: Config, host: PluginHost) -> Strategy:
    """Return the strategy that the configuration asks for.

    Raises:
        UnknownNameError: no plugin has it.
    """
    return _choice(config, host).strategy


def fall_back(config: Config, failed: Selection | None, error: RaxeError) -> Selection:
    """Return the configured fallback for a selection that could not be used, or not be made.

    Where none was made, ``failed`` is None, and the result's ``fallback_from`` is empty.

    Raises:
        RaxeError: ``error`` itself, when there is no other model to fall back to, or
            ``l2_model.on_failure`` does not allow it.
    """
    name = config.get("l2_model.fallback_model_id")
    allowed = config.get("l2_model.on_failure") == "fallback"
    unusable = "" if failed is None else failed.model_id
    if not allowed or name is None or resolved(config, name) == unusable:
        raise error
    fault = f"{unusable} could not be used" if failed else "no model could be selected"
    return Selection(
        resolved(config, name),
        failed.strategy if failed else NO_STRATEGY,
        f"fallback: {fault} ({error.kind}): {error}",
        fallback_from=unusable,
        fallback_kind=error.kind,
    )


def _names_models(selection: Selection) -> bool:
    shadows = selection.shadow_model_ids
    return isinstance(shadows, tuple) and all(
        isinstance(name, str) for name in (selection.model_id, *shadows)
    )


def _choice(config: Config, host: PluginHost) -> _Choice:
    """A strategy with a section of its own and ``enabled: true`` goes before ``selection``."""
    for name, settings in config.l2_model.items():
        if isinstance(settings, Mapping) and settings.get("enabled") is True:
            return _Choice(host.strategy(name), f"{L2}{name}")
    key = f"{L2}selection"
    name = config.get(key)
    deciding = {"explicit": f"{L2}model_id", "auto": f"{L2}auto_criteria"}.get(name, key)
    return _Choice(host.strategy(name), deciding)

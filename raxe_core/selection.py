"""Select the model to use now: ask the strategy, and fall back where its choice cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from raxe_core.config import Config
from raxe_core.errors import PluginError, RaxeError, UsageError
from raxe_core.model import Model
from raxe_core.plugins import PluginHost
from raxe_core.records import Criteria, Selection, SelectionRequest, Strategy
from raxe_core.settings import L2

if TYPE_CHECKING:
    from raxe_core.constraints import Constraint

__all__ = [
    "BY_CRITERIA",
    "NO_STRATEGY",
    "active_strategy",
    "choosing",
    "configured_constraints",
    "configured_criteria",
    "fall_back",
    "resolved",
    "select",
    "with_alias",
]


# The strategies that go by the criteria and the constraints.
BY_CRITERIA = ("auto", "benchmark")
# The strategy of a selection that none has made.
NO_STRATEGY = "none"


class Choosing(NamedTuple):
    """The name of a strategy, and the keys of the settings that name it and that it goes by."""

    strategy: str
    named_by: str
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
    strategy, key = active_strategy(config, host), choosing(config).key
    hiding = config.get("aliases")
    if hiding:  # who asks for a model by the name of an alias gets what the alias stands for
        models = tuple(m for m in models if hiding.get(m.model_id, m.model_id) == m.model_id)
    if strategy.name in BY_CRITERIA:
        configured_constraints(config)

    def criteria(name: str) -> Criteria:
        if name != config.get("l2_model.auto_criteria"):
            return host.criteria(name)
        return configured_criteria(config, host)

    request = SelectionRequest(models, config.l2_model, criteria, user_id, for_scan, config.path)
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
    name, model_id = chosen.model_id, resolved(config, chosen.model_id)
    step = "" if model_id == name else f"; {with_alias(config, name)}"
    return chosen._replace(
        model_id=model_id,
        shadow_model_ids=tuple(resolved(config, name) for name in chosen.shadow_model_ids),
        reason=f"{chosen.reason} ({strategy.name}, set by {origin}){step}",
    )


def resolved(config: Config, name: str) -> str:
    """Return the id of the model that a name stands for: an alias, or the id itself."""
    model_id: str = config.get("aliases").get(name, name)
    return model_id


def with_alias(config: Config, name: str) -> str:
    """Return a model's id, or an alias with the model that it stands for and who says so."""
    if resolved(config, name) == name:
        return name
    return f"{name} → {resolved(config, name)} (aliases, {config.values['aliases'].origin})"


def choosing(config: Config) -> Choosing:
    """Return what chooses: a section with ``enabled: true`` goes before ``selection``."""
    for name, settings in config.l2_model.items():
        if isinstance(settings, Mapping) and settings.get("enabled") is True:
            return Choosing(name, f"{L2}{name}", f"{L2}{name}")
    key = f"{L2}selection"
    name = config.get(key)
    deciding = {"explicit": f"{L2}model_id", "auto": f"{L2}auto_criteria"}.get(name, key)
    return Choosing(name, key, deciding)


def active_strategy(config: Config, host: PluginHost) -> Strategy:
    """Return the strategy that the configuration asks for.

    Raises:
        UnknownNameError: no plugin has it; names where it is asked for.
    """
    strategy, named_by, _ = choosing(config)
    with _naming_place(config, named_by):
        return host.strategy(strategy)


def configured_criteria(config: Config, host: PluginHost) -> Criteria:
    """Return the criteria that the configuration asks for; raises as :func:`active_strategy`."""
    key = "l2_model.auto_criteria"
    with _naming_place(config, key):
        return host.criteria(config.get(key))


def configured_constraints(config: Config) -> tuple[Constraint, ...]:
    """Return the constraints of the configuration.

    Raises:
        UsageError: one cannot be read; names where it stands.
    """
    key = "l2_model.constraints"
    if not config.get(key):
        return ()
    from raxe_core.constraints import parse_constraints  # not at the top: few have any

    with _naming_place(config, key):
        return parse_constraints(config.get(key))


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


@contextmanager
def _naming_place(config: Config, key: str) -> Iterator[None]:
    """Say in a wrong setting's error where the setting stands."""
    try:
        yield
    except UsageError as error:
        error.args = (f"{config.values[key].where}: {error}",)
        raise

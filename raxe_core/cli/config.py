"""``raxe config``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from raxe_core.cli.lazy import LazyGroup
from raxe_core.cli.models_default import warn_of_unusable
from raxe_core.cli.output import echo_json, format_table, short_path, warn
from raxe_core.config import Config, Value, config_files, load_config
from raxe_core.constraints import parse_constraints
from raxe_core.defaults import change_setting
from raxe_core.errors import ConfigError, RaxeError, UnknownNameError, did_you_mean
from raxe_core.plugins import PluginHost
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.settings import L2, MODEL_NAMES, check_setting, find_setting
from raxe_core.yaml_file import parse_value

config = LazyGroup(
    name="config",
    help="Show and change the configuration.",
    table={
        "show": ("raxe_core.cli.config:show", "Show every setting."),
        "get": ("raxe_core.cli.config:get", "Print one setting."),
        "set": ("raxe_core.cli.config:set_value", "Change one setting."),
        "path": ("raxe_core.cli.config:path", "Print the file that changes are written to."),
    },
)


@click.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(config_path: Path | None, origin: bool, as_json: bool) -> None:
    """Show every setting as it holds now.

    \b
    Examples:
      raxe config show
      raxe config show --origin
    """
    config = load_config(config_path)
    values = config.values
    if thresholds := config.get("l2_model.thresholds"):
        _warn_of_unknown(thresholds, config)
    _warn_of_strategies(values)
    if as_json:
        told = {key: {"value": i.value, "origin": i.origin} for key, i in values.items()}
        echo_json(told)
        return
    headers = ["Setting", "Value", "Meaning", *(["From"] if origin else [])]
    rows = []
    for key, found in values.items():
        setting = find_setting(key)
        meaning = "read by the strategy of this name" if setting is None else setting.meaning
        row = [key, _shown(found.value), meaning]
        rows.append([safe_text(cell, 80) for cell in [*row, *([found.origin] if origin else [])]])
    click.echo(format_table(headers, rows))


@click.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def get(config_path: Path | None, key: str, as_json: bool) -> None:
    """Print the value of KEY.

    \b
    Examples:
      raxe config get l2_model.selection
      raxe config get aliases.production
    """
    values = load_config(config_path).values
    _warn_of_strategies(values, key)
    if key in values:
        value = values[key].value
    else:
        check_setting(key, None, "raxe config get")
        setting = find_setting(key)
        if setting is None:
            value = _of_strategy(key, values)
        else:
            value = values[setting.key].value.get(key.removeprefix(f"{setting.key}."))
    if as_json:
        echo_json(value)
    else:
        click.echo(safe_text(_shown(value), 1_000))


@click.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_value(config_path: Path | None, key: str, value: str) -> None:
    """Set KEY to VALUE in config.yaml, keeping its comments; an empty VALUE removes it.

    \b
    Examples:
      raxe config set l2_model.auto_criteria latency
      raxe config set l2_model.constraints "[p95_latency_ms<10]"
      raxe config set l2_model.fallback_model_id ""
    """
    path = config_files(config_path)[-1]  # a file with a wrong setting can be mended
    parsed = parse_value(value) if value else None
    check_setting(key, parsed, "raxe config set")
    if parsed is not None:
        _check_meaning(key, parsed)
    change_setting(key, parsed, path)
    click.echo(f"✅ {safe_text(key)} = {safe_text(value) or 'unset'}")
    click.echo(f"Updated: {short_path(path)}")
    if parsed is not None and (key.startswith("aliases.") or key in MODEL_NAMES):
        with suppress(RaxeError):  # the file has another fault, which the next command tells
            warn_of_unusable(ModelRegistry(load_config(config_path)), parsed)


@click.command()
@click.pass_obj
def path(config_path: Path | None) -> None:
    """Print the path of the file that changes are written to.

    \b
    Example:
      raxe config path
    """
    click.echo(safe_text(str(config_files(config_path)[-1]), 5_000))


def _of_strategy(key: str, values: Mapping[str, Value]) -> Any:
    """Return what stands under a key in the section of a strategy; None where nothing does.

    Raises:
        ConfigError: there is neither such a section nor such a strategy.
    """
    section, name, *inner = key.split(".")
    whole = f"{section}.{name}"
    if whole not in values:
        try:
            PluginHost().strategy(name)
        except UnknownNameError:
            hint = did_you_mean(key, values) or did_you_mean(whole, values)
            raise ConfigError(
                f"raxe config get: unknown key {key!r}.{hint} See: raxe config show"
            ) from None
        return None
    value = values[whole].value
    for part in inner:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _warn_of_unknown(thresholds: Mapping[str, float], config: Config) -> None:
    """Warn of thresholds of models that are not there now; they may be installed later."""
    known = [model.model_id for model in ModelRegistry(config).list_models()]
    for model_id in thresholds:
        if model_id not in known:
            hint = did_you_mean(model_id, known)
            warn(f"l2_model.thresholds: no model {model_id!r} is installed now.{hint}")


def _warn_of_strategies(values: Mapping[str, Value], key: str = "") -> None:
    """Warn of sections of strategies that are not there now: of all, or of the one of ``key``."""
    sections = [name for name in values if find_setting(name) is None]
    wanted = [name for name in sections if not key or f"{key}.".startswith(f"{name}.")]
    if not wanted:
        return
    host = PluginHost()
    for section in wanted:
        try:
            host.strategy(section.removeprefix(L2))
        except RaxeError as error:
            warn(f"{values[section].where}: {section} is read by nobody now: {error}")


def _check_meaning(key: str, value: Any) -> None:
    """Refuse a value that every scan would stumble over.

    Raises:
        UnknownNameError: no plugin has this strategy, or these criteria.
        UsageError: a constraint cannot be read.
    """
    if key == "l2_model.selection":
        PluginHost().strategy(value)
    elif key == "l2_model.auto_criteria":
        PluginHost().criteria(value)
    elif key == "l2_model.constraints":
        parse_constraints(value)
    elif find_setting(key) is None and value is not False:
        # The section of a strategy; one whose plugin is blocked can still be switched off.
        PluginHost().strategy(key.split(".")[1])


def _shown(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items()) or "none"
    return str(value)

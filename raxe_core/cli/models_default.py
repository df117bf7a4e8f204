"""``raxe models set-default``, ``alias``, ``rollback`` and ``history``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from raxe_core import defaults
from raxe_core.cli.model_argument import ALIAS, MODEL
from raxe_core.cli.output import echo_json, format_table, short_path, warn
from raxe_core.config import Config, load_config
from raxe_core.discovery import open_bundle
from raxe_core.errors import BundleError, RaxeError, UsageError
from raxe_core.model import Model
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.selection import BY_CRITERIA, choosing, resolved
from raxe_core.settings import find_setting


@click.command("set-default")
@click.argument("model_id", type=MODEL)
@click.pass_obj
def set_default(config_path: Path | None, model_id: str) -> None:
    """Make MODEL_ID the model that scans use, by writing it to config.yaml.

    \b
    Example:
      raxe models set-default v1.0_onnx_int8
    """
    registry = _checked(config_path, model_id)[0]
    config = registry.config
    said = _said(config, "l2_model.selection"), _said(config, "l2_model.model_id")
    if said == ("explicit", model_id):
        click.echo(f"✅ Default L2 model is already: {model_id}")
    else:
        defaults.set_default(model_id, config.path, why="raxe models set-default")
        click.echo(f"✅ Default L2 model set to: {model_id}")
        click.echo(f"Updated: {short_path(config.path)}")
    warn_of_unusable(registry, model_id)
    _note_what_wins(config_path, model_id)


@click.command()
@click.argument("name", type=ALIAS)
@click.argument("model_id", type=MODEL)
@click.pass_obj
def alias(config_path: Path | None, name: str, model_id: str) -> None:
    """Let NAME stand for MODEL_ID wherever a model id is asked for.

    \b
    Examples:
      raxe models alias production v1.0_onnx_int8
      RAXE_L2_MODEL=production raxe scan "hello"
    """
    registry, model = _checked(config_path, model_id)
    if name in (known.model_id for known in registry.list_models()):
        raise UsageError(f"{name} is the id of a model, which the alias would hide. Take another.")
    config, model_id = registry.config, model.model_id  # an alias of an alias is none
    if _said(config, "aliases", {}).get(name) == model_id:
        click.echo(f"✅ {safe_text(name)} stands already for: {model_id}")
    else:
        defaults.set_alias(name, model_id, config.path, why="raxe models alias")
        click.echo(f"✅ {safe_text(name)} stands for: {model_id}")
        click.echo(f"Updated: {short_path(config.path)}")
    warn_of_unusable(registry, model_id)


@click.command("rollback")
@click.argument("name", type=ALIAS, default="default")
@click.pass_obj
def roll_back(config_path: Path | None, name: str) -> None:
    """Undo the last change of the default, or of the alias NAME; again for the one before.

    \b
    Examples:
      raxe models rollback
      raxe models rollback production
    """
    change = defaults.rollback(load_config(config_path).path, name)
    before, after = (safe_text(model_id or "unset") for model_id in (change.before, change.after))
    told = f"{before} → {after}"
    config = load_config(config_path)
    if before == after:  # an older version wrote such changes, or the selection alone was another
        told = f"{after}, as before"
        if name == "default":
            told += f"; l2_model.selection is {safe_text(config.get('l2_model.selection'))}"
    click.echo(f"✅ {safe_text(name)}: {told}")
    click.echo(f"Updated: {short_path(config.path)}")
    if change.after is not None:
        warn_of_unusable(ModelRegistry(config), change.after)
        if name == "default":
            _note_what_wins(config_path, change.after)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history(as_json: bool) -> None:
    """List the changes of the default and of aliases, the oldest first.

    \b
    Examples:
      raxe models history
      raxe models history --json
    """
    changes = defaults.read_history()
    if as_json:
        echo_json([change._asdict() for change in changes])
    elif not changes:
        click.echo("No changes yet.")
    else:
        rows = [
            [
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(change.time)),
                safe_text(change.name),
                safe_text(change.before or "unset"),
                safe_text(change.after or "unset"),
                safe_text(change.why),
            ]
            for change in changes
        ]
        click.echo(format_table(["Time", "Name", "Before", "After", "Why"], rows))


def _checked(config_path: Path | None, model_id: str) -> tuple[ModelRegistry, Model]:
    """Return the registry and the model, which is there, valid and trusted."""
    registry = ModelRegistry(load_config(config_path))
    model = registry.get_model(model_id)
    if model.problem is not None:
        raise BundleError(f"{model_id} cannot be used: {model.problem}")
    return registry, registry.trust.admitted(model)


def warn_of_unusable(registry: ModelRegistry, name: str) -> None:
    """Warn of a model that cannot be used, as far as can be told without loading its weights."""
    try:
        model = registry.usable_model(name)
        if model.bundle_path is not None:
            with open_bundle(model) as bundle:
                bundle.verify()
    except RaxeError as error:
        warn(f"{name} cannot be used now: {error}")


def _said(config: Config, key: str, default: Any = None) -> Any:
    """Return what the file that changes are written to says."""
    found = config.said.get(config.path, {}).get(key)
    return default if found is None else found.value


def _note_what_wins(config_path: Path | None, model_id: str) -> None:
    """Say what a scan would use, where something wins over the default that was written."""
    config = load_config(config_path)
    key = choosing(config).key
    origin = config.values[key].origin
    if origin.startswith("RAXE_"):
        note = f"{origin} is set, and wins over the file"
    elif find_setting(key) is None:
        note = f"{key} is enabled in {origin}, and wins over the default"
    else:
        return
    try:
        selection = ModelRegistry(config).select(for_scan=False)
    except RaxeError as error:
        told = str(error)
    else:
        told = f"a scan would use {selection.model_id}."
        if selection.strategy not in ("explicit", *BY_CRITERIA):  # the next user may get another
            told = f"a scan would use {selection.model_id}, {selection.reason}."
        elif selection.model_id == resolved(config, model_id):
            return
    click.echo(f"Note: {safe_text(f'{note}: {told}', 1_000)}", err=True)

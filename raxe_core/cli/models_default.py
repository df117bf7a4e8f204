"""``raxe models set-default``, ``alias``, ``rollback`` and ``history``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from raxe_core import defaults
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import echo_json, format_table, short_path
from raxe_core.config import load_config
from raxe_core.errors import BundleError, UsageError
from raxe_core.model import Model
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text


@click.command("set-default")
@click.argument("model_id", type=MODEL)
@click.pass_obj
def set_default(config_path: Path | None, model_id: str) -> None:
    """Make MODEL_ID the model that scans use, by writing it to config.yaml.

    \b
    Example:
      raxe models set-default v1.0_onnx_int8
    """
    config = _checked(config_path, model_id)[0].config
    defaults.set_default(model_id, config.path, why="raxe models set-default")
    click.echo(f"✅ Default L2 model set to: {model_id}")
    click.echo(f"Updated: {short_path(config.path)}")
    origin = config.values["l2_model.model_id"].origin
    if origin.startswith("RAXE_"):
        click.echo(f"Note: {origin} is set, and wins over the file.", err=True)


@click.command()
@click.argument("name")
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
    defaults.set_alias(name, model_id, config.path, why="raxe models alias")
    click.echo(f"✅ {safe_text(name)} stands for: {model_id}")
    click.echo(f"Updated: {short_path(config.path)}")


@click.command("rollback")
@click.argument("name", default="default")
@click.pass_obj
def roll_back(config_path: Path | None, name: str) -> None:
    """Undo the last change of the default, or of the alias NAME; again for the one before.

    \b
    Examples:
      raxe models rollback
      raxe models rollback production
    """
    config = load_config(config_path)
    change = defaults.rollback(config.path, name)
    before, after = (safe_text(model_id or "unset") for model_id in (change.before, change.after))
    click.echo(f"✅ {safe_text(name)}: {before} → {after}")
    click.echo(f"Updated: {short_path(config.path)}")


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

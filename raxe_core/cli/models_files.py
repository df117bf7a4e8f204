"""``raxe models set-default``, ``add`` and ``pack``: the commands that write files."""

from __future__ import annotations

from pathlib import Path

import click

from raxe_core.config import load_config, set_default_model
from raxe_core.errors import BundleError
from raxe_core.install import add_model, write_pack
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text


@click.command("set-default")
@click.argument("model_id")
@click.pass_obj
def set_default(config_path: Path | None, model_id: str) -> None:
    """Make MODEL_ID the model that scans use, by writing it to config.yaml.

    \b
    Example:
      raxe models set-default v1.0_onnx_int8
    """
    config = load_config(config_path)
    model = ModelRegistry(config).get_model(model_id)
    if model.problem is not None:
        raise BundleError(f"{model_id} cannot be the default: {model.problem}")
    set_default_model(model_id, config.path)
    click.echo(f"✅ Default L2 model set to: {model_id}")
    click.echo(f"Updated: {safe_text(_short(config.path), 500)}")
    if config.origin.startswith("RAXE_"):
        click.echo(f"Note: {config.origin} is set, and wins over the file.", err=True)


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a model of the same id.")
def add(source: Path, replace: bool) -> None:
    """Verify SOURCE, a bundle or a folder to be packed, and put it into the drop-in folder.

    \b
    Examples:
      raxe models add raxe_model_l2_v2.0_tiny.raxe
      raxe models add ./my-model/
    """
    model = add_model(source, replace)
    click.echo(f"✅ Added: {model.model_id}")
    click.echo(f"File: {safe_text(_short(model.bundle_path or source), 500)}")
    click.echo(f"Next: raxe models validate {model.model_id}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="The bundle's path.")
def pack(folder: Path, output: Path | None) -> None:
    """Pack FOLDER (manifest.json, model, tokenizer) into a .raxe bundle.

    The same files give the same bytes on every machine.

    \b
    Examples:
      raxe models pack ./my-model/
      raxe models pack ./my-model/ --output /tmp/my.raxe
    """
    path = write_pack(folder, output)
    click.echo(f"✅ Packed: {safe_text(str(path), 500)} ({path.stat().st_size / 1e6:.1f} MB)")


def _short(path: Path) -> str:
    """Write the home folder as ``~``."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)

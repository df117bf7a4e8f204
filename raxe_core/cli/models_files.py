"""``raxe models add`` and ``pack``."""

from __future__ import annotations

from pathlib import Path

import click

from raxe_core.cli.output import short_path
from raxe_core.install import add_model, write_pack
from raxe_core.safe_text import safe_text


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
    click.echo(f"File: {short_path(model.bundle_path or source)}")
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

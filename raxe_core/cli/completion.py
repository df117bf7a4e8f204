"""``raxe completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL; it completes commands, model ids and aliases.

    \b
    Examples:
      raxe completion bash >> ~/.bashrc
      raxe completion zsh >> ~/.zshrc
      raxe completion fish > ~/.config/fish/completions/raxe.fish
    """
    cls = get_completion_class(shell)
    assert cls is not None
    click.echo(cls(ctx.find_root().command, {}, "raxe", "_RAXE_COMPLETE").source())

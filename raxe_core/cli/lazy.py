"""LazyGroup: a click group whose commands are imported when they are run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

__all__ = ["LazyGroup", "import_command"]


class LazyGroup(click.Group):
    """A group with a table of commands: name -> (``module:attribute``, help line).

    Help and completion read the table; a command's module is imported only when it runs.
    """

    def __init__(self, *args: Any, table: dict[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._table = table

    def command_table(self) -> dict[str, tuple[str, str]]:
        """Return all commands; a subclass may add to the table."""
        return self._table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(self.command_table())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        entry = self._table.get(cmd_name)
        return None if entry is None else import_command(entry[0])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        rows = [(name, help_line) for name, (_, help_line) in self.command_table().items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def import_command(target: str) -> click.Command:
    """Import the command that ``module:attribute`` names."""
    module, _, attribute = target.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command

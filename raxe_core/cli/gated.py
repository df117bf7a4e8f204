"""Commands whose exit code 1 is a verdict."""

from __future__ import annotations

from typing import Any

import click

from raxe_core.errors import InvalidModelError, RaxeError

__all__ = ["GatedCommand"]


class GatedCommand(click.Command):
    """A command whose exit code 1 says that a gate is broken, so that no error may have it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            RaxeError: as the command, and instead of an InvalidModelError.
        """
        try:
            return super().invoke(ctx)
        except InvalidModelError as error:
            raise RaxeError(str(error)) from error

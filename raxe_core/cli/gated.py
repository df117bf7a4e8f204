"""Commands whose exit code 1 is a verdict."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import click

from raxe_core.errors import InvalidModelError, RaxeError

__all__ = ["GatedCommand"]

# What the main program or click makes a message or an end of.
_EXPECTED = (RaxeError, OSError, click.ClickException, click.exceptions.Exit, click.Abort)


class GatedCommand(click.Command):
    """A command whose exit code 1 says that a gate is broken, so that no error may have it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an unexpected error shows its traceback and ends with 2.

        Raises:
            RaxeError: as the command, and instead of an InvalidModelError.
        """
        try:
            return super().invoke(ctx)
        except InvalidModelError as error:
            raise RaxeError(str(error)) from error
        except _EXPECTED:
            raise
        except Exception:  # a bug, and shown as one
            traceback.print_exc()
            sys.exit(2)

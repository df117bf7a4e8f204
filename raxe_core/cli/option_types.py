"""Values of options that click's own types would let through."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import click

__all__ = ["FiniteRange", "OutputFile", "unwritable"]


def unwritable(path: Path) -> str | None:
    """Return why a file cannot be written there, with its folders; None where it can."""
    try:
        if path.exists() and not path.is_file():
            return None  # a device or a pipe is written to as it is
        file = Path(os.path.realpath(path))
        folder = next(folder for folder in file.parents if folder.exists())
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


class OutputFile(click.Path):
    """The path of a file to write, which is known to be possible before work begins."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; refuse one without a name, and one that cannot be written."""
        path = Path(str(super().convert(value, param, ctx)))
        if not path.name:
            self.fail(f"{str(value)!r} names no file.", param, ctx)
        if reason := unwritable(path):
            self.fail(f"{path}: cannot be written: {reason}.", param, ctx)
        return path


class FiniteRange(click.FloatRange):
    """A range of numbers; NaN and infinity are in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; refuse one that is not finite."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number

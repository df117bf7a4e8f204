"""Values of options that click's own types would let through."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

__all__ = ["FiniteRange", "OutputFile"]


class OutputFile(click.Path):
    """The path of a file to write, which is known not to be a folder before work begins."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; refuse one without a name."""
        path = super().convert(value, param, ctx)
        if not Path(str(path)).name:
            self.fail(f"{str(value)!r} names no file.", param, ctx)
        return path


class FiniteRange(click.FloatRange):
    """A range of numbers; NaN and infinity are in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; refuse one that is not finite."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number

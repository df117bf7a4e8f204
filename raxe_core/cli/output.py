"""What the commands print: tables, JSON, warnings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from raxe_core.plugins import PluginHost
from raxe_core.safe_text import display_width, safe_text

__all__ = ["echo_json", "format_table", "percent", "short_path", "warn", "warn_of_problems"]


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a boxed table, its columns as wide as their widest cell."""
    widths = [max(map(display_width, column)) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - display_width(cell))
            for cell, width in zip(cells, widths, strict=True)
        )
        return "│ " + " │ ".join(padded) + " │"

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    return "\n".join(
        [
            rule("┌", "┬", "┐"),
            line(headers),
            rule("├", "┼", "┤"),
            *map(line, rows),
            rule("└", "┴", "┘"),
        ]
    )


def percent(fraction: float | None) -> str:
    """Return ``93.8%``, or ``n/a`` for None."""
    return "n/a" if fraction is None else f"{fraction:.1%}"


def short_path(path: Path) -> str:
    """Return a path for people: safe, and with the home folder as ``~``."""
    try:
        short = f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        short = str(path)
    return safe_text(short, 500)


def echo_json(value: Any) -> None:
    """Print ``value`` as JSON in pure ASCII, so that nothing in it can move the terminal."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def warn(message: str) -> None:
    """Print a warning on stderr."""
    click.echo(f"Warning: {safe_text(message, 1_000)}", err=True)


def warn_of_problems(host: PluginHost) -> None:
    """Warn of every plugin that failed to load or failed in a call."""
    for info in host.plugins:
        if info.status in ("failed", "incompatible"):
            warn(f"plugin {info.distribution} is {info.status}: {info.reason}")
    for problem in host.problems:
        warn(str(problem))

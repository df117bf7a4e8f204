"""What the commands print: tables, JSON, warnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from raxe_core.plugins import PluginHost
from raxe_core.safe_text import safe_text
from raxe_core.table import format_table

__all__ = ["echo_json", "format_table", "percent", "short_path", "warn", "warn_of_problems"]


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

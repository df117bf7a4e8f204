"""Options that the commands on prompts share: which prompts, shown how."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from raxe_core.errors import UsageError
from raxe_core.evaluation.prompts import FIELDS
from raxe_core.files import atomic_write

__all__ = [
    "columns_of",
    "prompt_options",
    "report_options",
    "show_progress",
    "wants_details",
    "write_report",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


def prompt_options(command: _F) -> _F:
    """Add ``--prompts``, ``--label``, ``--column`` and ``--strict``."""
    command = click.option(
        "--strict", is_flag=True, help="Stop at a malformed row; otherwise they are skipped."
    )(command)
    command = click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="FIELD=NAME",
        help="The column that holds a field (text, label, family, subfamily, lang) under another "
        "name, such as text=body; may be given several times.",
    )(command)
    command = click.option(
        "--label",
        type=click.Choice(["threat", "benign"]),
        help="The label of the prompts of a .txt file whose name does not tell.",
    )(command)
    return click.option(
        "--prompts",
        "paths",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A .txt, .csv or .jsonl file, plain or .gz; may be given several times; - for "
        "standard input. Without it, the standard test dataset is used.",
    )(command)


def columns_of(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``text=body`` pairs.

    Raises:
        UsageError: one is no pair, or names no field.
    """
    columns = {}
    for pair in pairs:
        field, equals, name = pair.partition("=")
        if not equals or not name or field not in FIELDS:
            known = ", ".join(FIELDS)
            raise UsageError(f"{pair[:80]!r} is no FIELD=NAME; fields are {known}.")
        columns[field] = name
    return columns


def report_options(command: _F) -> _F:
    """Add ``--json`` and ``--format``."""
    command = click.option(
        "--format", "reporter", default="table", show_default=True, help="The reporter to use."
    )(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON; the same as --format json."
    )(command)


def wants_details(reporter: str) -> bool:
    """Tell whether a reporter may draw; those of the core print text, and need no curves."""
    return reporter not in ("table", "json", "csv", "markdown", "junit")


def show_progress(items: Iterable[_T], label: str = "") -> Iterator[_T]:
    """Show a bar on stderr while the items are consumed."""
    listed = list(items)
    bar = click.progressbar(
        listed,
        label=label,
        file=sys.stderr,
        width=28,
        fill_char="━",
        empty_char=" ",
        show_pos=True,
        show_percent=True,
        bar_template="%(label)s%(bar)s %(info)s",
    )
    with bar as shown:
        yield from shown


def write_report(text: str, path: Path) -> None:
    """Write a report to a file in one step.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        atomic_write(path, text.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}.") from None

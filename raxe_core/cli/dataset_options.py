"""Options that the commands on prompts share: which prompts, shown how."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from raxe_core.errors import UsageError
from raxe_core.evaluation.datasets import prompt_stream, standard_paths
from raxe_core.evaluation.prompts import FIELDS
from raxe_core.evaluation.sharded import Partial
from raxe_core.evaluation.source import STDIN, Source
from raxe_core.evaluation.stream import PromptStream
from raxe_core.files import atomic_write
from raxe_core.judging import run_key
from raxe_core.model import Model
from raxe_core.registry import ModelRegistry

__all__ = [
    "count_progress",
    "partial_of",
    "prompt_options",
    "report_options",
    "run_options",
    "show_progress",
    "stream_of",
    "wants_details",
    "write_report",
]

WIDTH, FILL = 28, "━"
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


def stream_of(options: Mapping[str, Any]) -> PromptStream:
    """Return the prompts that :func:`prompt_options` name.

    Raises:
        UsageError: a column is no pair, or names no field.
    """
    columns = _columns(options["columns"])
    return prompt_stream(options["paths"], options["label"], columns, options["strict"])


@contextlib.contextmanager
def partial_of(
    registry: ModelRegistry, models: Sequence[Model], options: Mapping[str, Any], rows: bool
) -> Iterator[Partial | None]:
    """Give the unfinished shards of ``--output``; None without one.

    A run that fails before it finished a shard leaves nothing.

    Raises:
        DatasetError: a file of prompts cannot be read.
        UsageError: ``--resume`` without an output, with standard input, or of another run.
    """
    paths, output, resume = options["paths"], options["output"], options["resume"]
    if output is None:
        if resume:
            raise UsageError("--resume goes on with an --output; name it.")
        yield None
        return
    files = [path for path in paths or standard_paths() if path != STDIN]
    if any(path.exists() and output.exists() and path.samefile(output) for path in files):
        raise UsageError(f"{output}: holds the prompts. Choose another output.")
    if resume and STDIN in paths:
        raise UsageError("Standard input cannot be resumed. Save it to a file first.")
    for path in files:
        Source(path).close()  # before what an earlier run left is removed
    names = ("label", "columns", "strict", "batch_tokens")
    chosen = {name: options.get(name) for name in names}
    partial = Partial(output, run_key(registry, models, files, chosen), resume, rows)
    try:
        yield partial
    except BaseException:
        partial.discard_empty()
        raise


def _columns(pairs: Iterable[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        field, equals, name = pair.partition("=")
        if not equals or not name or field not in FIELDS:
            known = ", ".join(FIELDS)
            raise UsageError(f"{pair[:80]!r} is no FIELD=NAME; fields are {known}.")
        columns[field] = name
    return columns


def run_options(command: _F) -> _F:
    """Add ``--threads``, ``--workers`` and ``--resume``."""
    command = click.option(
        "--resume", is_flag=True, help="Go on with an interrupted run of the same --output."
    )(command)
    command = click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Judge in so many processes; times are then those of a busy machine.",
    )(command)
    return click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)(
        command
    )


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
        width=WIDTH,
        fill_char=FILL,
        empty_char=" ",
        show_pos=True,
        show_percent=True,
        bar_template="%(label)s%(bar)s %(info)s",
    )
    with bar as shown:
        yield from shown


@contextlib.contextmanager
def count_progress(stream: PromptStream) -> Iterator[Callable[[int], None]]:
    """Count the judged prompts on stderr, where it is a terminal.

    With a bar where ``stream`` can tell about how many there are.
    """
    done = 0

    def advance(prompts: int) -> None:
        nonlocal done
        done += prompts
        if sys.stderr.isatty():
            click.echo(f"\r{_bar(done, stream.expected)}", nl=False, err=True)

    yield advance
    if sys.stderr.isatty():
        click.echo("", err=True)


def _bar(done: int, expected: int | None) -> str:
    if not expected:
        return f"{done:,} prompts judged"
    share = done / expected
    return f"{FILL * int(WIDTH * share):{WIDTH}} {done:,} prompts judged ({share:.0%})"


def write_report(text: str, path: Path) -> None:
    """Write a report to a file in one step.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        atomic_write(path, text.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}.") from None

"""Write the pages that are made from the code: ``reference/cli.md`` and ``reference/hooks.md``.

Run it after a change of a command or a hook: ``python docs/generate.py``. A test compares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from raxe_core import hookspecs, records
from raxe_core.cli.main import COMMANDS
from raxe_core.cli.main import main as root
from raxe_core.model import Model, RuntimeOptions

DOCS = Path(__file__).parent
CLI_LEAD = """\
The help text of every command, as `--help` prints it, 80 columns wide. Installed plugins may add
commands to the first list. [Configuration](configuration.md#exit-codes) has the exit codes.
"""
NOTE = "<!-- Made by docs/generate.py from {source}. Do not edit. -->\n"
RECORDS = (Model, RuntimeOptions, *(getattr(records, name) for name in records.__all__))


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


def cli_page() -> str:
    """Return the help text of every command of the core."""
    parts = [
        NOTE.format(source="the commands"),
        "# Commands\n",
        CLI_LEAD,
    ]
    for path in command_paths(root):
        parts.append(f"{'#' * min(2 + len(path), 4)} {' '.join(('raxe', *path))}\n")
        parts.append(f"```text\n{help_text(path).rstrip()}\n```\n")
    return "\n".join(parts)


def command_paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the path of a command and of every command below it, in the help's order."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        names = command.list_commands(context) if path else COMMANDS
        for name in names:
            child = command.get_command(context, name)
            assert child is not None
            yield from command_paths(child, (*path, name))


def help_text(path: tuple[str, ...]) -> str:
    """Return what ``raxe PATH --help`` prints, 80 columns wide and without plugins."""
    result = CliRunner().invoke(
        root, [*path, "--help"], prog_name="raxe", env={"RAXE_PLUGINS": ""}, terminal_width=80
    )
    if result.exit_code != 0:
        raise RuntimeError(f"raxe {' '.join(path)} --help failed: {result.output}")
    return result.output


def hooks_page() -> str:
    """Return the hooks with their documentation, and the records that they take and return."""
    parts = [
        NOTE.format(source="raxe_core/hookspecs.py"),
        "# Hooks\n",
        markdown(inspect.getdoc(hookspecs) or "").partition("\n")[2].lstrip("\n"),
        f"API version: `{hookspecs.API_VERSION}`. Group: `{hookspecs.ENTRY_POINT_GROUP}`.\n",
    ]
    for name, hook in hooks().items():
        parts.append(f"## {name}\n")
        parts.append(f"```text\n{name}{signature(hook)}\n```\n")
        parts.append(markdown(inspect.getdoc(hook) or ""))
    parts.append("## Records\n")
    parts.append("Import them from `raxe_core`. All of them are immutable.\n")
    for record in RECORDS:
        parts.append(f"### {record.__name__}\n")
        parts.append(markdown(inspect.getdoc(record) or ""))
        parts.append("| field | type | default |\n|---|---|---|\n" + "".join(_rows(record)))
    return re.sub(r"```\n{3,}", "```\n\n", "\n".join(parts))


def hooks() -> dict[str, Callable[..., object]]:
    """Return every hook of the specification by name, in the order of the source."""
    return {
        name: hook for name, hook in vars(hookspecs.RaxeSpec).items() if inspect.isfunction(hook)
    }


def signature(hook: Callable[..., object]) -> str:
    """Return a hook's arguments and result, as they stand in the source."""
    described = inspect.signature(hook)
    arguments = [item for name, item in described.parameters.items() if name != "self"]
    plain = described.replace(parameters=arguments)
    return str(plain).replace("'", "")


def markdown(text: str) -> str:
    """Turn a docstring into Markdown: literals, roles and the blocks after ``::``."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return re.sub(
        r"^(.*)::\n\n((?:(?: {4}.*)?\n)+(?: {4}.*)?)", _fenced, text + "\n", flags=re.MULTILINE
    )


def _fenced(match: re.Match[str]) -> str:
    code = inspect.cleandoc("\n" + match[2]).strip("\n")
    language = "toml" if code.startswith("[") else "python"
    lead = match[1].rstrip(":") + ":"
    return f"{lead}\n\n```{language}\n{code}\n```\n\n"


def _rows(record: type) -> Iterator[str]:
    for name, field in inspect.signature(record).parameters.items():
        default = "" if field.default is field.empty else f"`{field.default!r}`"
        annotation = getattr(field.annotation, "__forward_arg__", field.annotation)
        kind = str(annotation).replace("|", "\\|").replace("'", "")
        yield f"| `{name}` | `{kind}` | {default} |\n"


PAGES = {"reference/cli.md": cli_page, "reference/hooks.md": hooks_page}

if __name__ == "__main__":
    main()

"""``raxe``: the root command, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from raxe_core._version import __version__
from raxe_core.cli.lazy import LazyGroup, import_command
from raxe_core.errors import PluginError, RaxeError
from raxe_core.safe_text import safe_text

__all__ = ["main", "program"]

COMMANDS = {
    "scan": ("raxe_core.cli.scan:scan", "Judge a text with the selected model."),
    "models": ("raxe_core.cli.models:models", "List, test, validate and select models."),
    "config": ("raxe_core.cli.config:config", "Show and change the configuration."),
    "completion": ("raxe_core.cli.completion:completion", "Print a shell completion script."),
    "plugins": ("raxe_core.cli.plugins:plugins", "Show the installed plugins."),
}
MAX_ERROR_CHARACTERS = 2_000
OBJECTS_BETWEEN_COLLECTIONS = 50_000
INTERRUPTED = 130  # as shells say it


class RootGroup(LazyGroup):
    """The root group: the core's commands first, plugins are asked for any other name."""

    def command_table(self) -> dict[str, tuple[str, str]]:
        """Return the core's commands and those of plugins, which cannot replace them."""
        from raxe_core.plugins import PluginHost

        added = {i.name: (i.target, safe_text(i.help)) for i in PluginHost().commands()}
        return {**added, **COMMANDS} if added else COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; one that a plugin broke, or two claim, is an error."""
        if cmd_name in COMMANDS:
            return super().get_command(ctx, cmd_name)
        from raxe_core.plugin_call import PluginFaultError, contained
        from raxe_core.plugins import PluginHost

        host = PluginHost()
        if cmd_name not in {command.name for command in host.commands()}:
            return None
        target = host.command(cmd_name).target
        try:
            with contained():
                return import_command(target)
        except PluginFaultError as fault:
            raise PluginError(
                f"A plugin's command {cmd_name!r} cannot be imported: {fault}. "
                "See: raxe plugins list"
            ) from fault

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Stopped by the user or by a closed pipe, it never ends as by a verdict."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Aborted!", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _end_output()
            ctx.exit(2)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command; a RaxeError becomes one message on stderr and its exit code."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **options)
        except RaxeError as error:
            with suppress(OSError):  # nobody may be listening
                click.echo(f"Error: {safe_text(str(error), MAX_ERROR_CHARACTERS)}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:  # such as a full disk under the output
            where = error.filename or "the output"
            reason = safe_text(f"{where}: {error.strerror or error}", MAX_ERROR_CHARACTERS)
            click.echo(f"Error: {reason}", err=True)
            _end_output()
            sys.exit(2)


def _end_output() -> None:
    """Write what is left, or drop it: the interpreter would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=RootGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="raxe")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Read this file instead of RAXE_CONFIG, over ~/.raxe/config.yaml.",
)
@click.pass_context
def main(ctx: click.Context, config_path: Path | None) -> None:
    """RAXE: the open registry for models that detect attacks on LLMs.

    \b
    Examples:
      raxe scan "Ignore all previous instructions"
      raxe models list
      raxe models test v1.0_onnx_int8
    """
    ctx.obj = config_path


def program() -> None:
    """Run the command line as the one task of this process."""
    # Nearly all that is imported and loaded lives to the end: to look through it for garbage every
    # few hundred objects would take longer than to open a model.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    # numpy, which runtimes import, would start a thread per core for matrix products that nobody
    # here asks it for: a quarter of its import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int):
            _end_process(end.code)
        raise


def _end_process(code: int) -> None:
    """End the process without taking its objects apart, which takes longer than a scan.

    What was registered for the end is done. Comes back where a thread has work left, or the output
    cannot be written: then the interpreter ends as usual.
    """
    if any(not i.daemon for i in threading.enumerate() if i is not threading.main_thread()):
        return
    atexit._run_exitfuncs()  # noqa: SLF001  # as multiprocessing does before it ends a process
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)

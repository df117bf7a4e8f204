"""``raxe plugins``."""

from __future__ import annotations

import click

from raxe_core.cli.lazy import LazyGroup
from raxe_core.cli.output import echo_json, format_table, warn
from raxe_core.plugin_loading import names_in
from raxe_core.plugins import PluginHost, PluginInfo
from raxe_core.safe_text import safe_text

plugins = LazyGroup(
    name="plugins",
    help="Show the installed plugins.",
    table={"list": ("raxe_core.cli.plugins:list_plugins", "List every plugin with its status.")},
)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_plugins(as_json: bool) -> None:
    """List every plugin: active, blocked, failed or incompatible, and why.

    Each plugin is asked once for all that it offers, so that a fault shows here.

    \b
    Environment:
      RAXE_PLUGINS        only these distributions, separated by commas; empty for none
      RAXE_PLUGINS_BLOCK  not these

    \b
    Exit codes:
      0  every plugin that is not blocked is active
      1  a plugin failed or is incompatible

    \b
    Examples:
      raxe plugins list
      RAXE_PLUGINS=raxe-onnx,raxe-l2 raxe plugins list --json
    """
    from raxe_core.cli.main import COMMANDS  # not at the top: it imports this module

    found = PluginHost().check(COMMANDS)
    if as_json:
        echo_json([info._asdict() for info in found])
    elif not found:
        click.echo("No plugins are installed. Install some: pip install raxe-onnx raxe-l2")
    else:
        headers = ["Plugin", "Version", "Status", "Import", "Offers"]
        click.echo(format_table(headers, [_row(info) for info in found]))
        for info in found:
            if info.reason is not None:
                reason = safe_text(info.reason)
                click.echo(f"{safe_text(info.distribution)} is {info.status}: {reason}")
    for variable in ("RAXE_PLUGINS", "RAXE_PLUGINS_BLOCK"):
        for name in sorted(names_in(variable) - {info.distribution for info in found}):
            warn(f"{variable} names {name}, which is no installed plugin")
    if any(info.status in ("failed", "incompatible") for info in found):
        raise SystemExit(1)


def _row(info: PluginInfo) -> list[str]:
    took = "" if info.import_ms is None else f"{info.import_ms:.1f}ms"
    offers = [*info.hooks, *(f"runtime {name}" for name in info.runtimes)]
    return [
        safe_text(info.distribution, 40),
        safe_text(info.version, 20),
        info.status,
        took,
        safe_text(", ".join(offers)),
    ]

"""``raxe models which``."""

from __future__ import annotations

from pathlib import Path

import click

from raxe_core.cli.output import echo_json, format_table, warn
from raxe_core.config import load_config
from raxe_core.errors import NoModelError, RaxeError
from raxe_core.records import Selection
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.selection_report import candidates, chain, effective_selection

_MARKS = {"measured": " ●", "both": " ◐", "claimed": "", None: ""}
_ORIGIN = "● = measured on this machine, ◐ = in part; other values are as the metadata claims them."


@click.command()
@click.option("--explain", is_flag=True, help="Show every candidate, and what led to the choice.")
@click.option("--user-id", help="The user that the scan would be for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def which(config_path: Path | None, explain: bool, user_id: str | None, as_json: bool) -> None:
    """Tell which model a scan would use now, and why.

    \b
    Exit codes:
      0  told
      2  no model can be selected

    \b
    Examples:
      raxe models which
      raxe models which --explain
    """
    registry = ModelRegistry(load_config(config_path))
    selection, failure = None, None
    try:
        selection = effective_selection(registry, user_id)
    except RaxeError as error:
        failure = NoModelError(str(error))
    if as_json:
        told = {"model_id": None, "reason": str(failure)}
        echo_json(
            {
                **(told if selection is None else selection._asdict()),
                "chain": [step._asdict() for step in chain(registry.config)],
                "candidates": [item._asdict() for item in candidates(registry, selection)],
            }
        )
    else:
        if selection is not None:
            _show(selection)
        if explain and selection is not None:
            click.echo()
        if explain:
            _explain(registry, selection)
    if failure is not None:
        raise failure


def _show(selection: Selection) -> None:
    if selection.fallback_from is not None:
        warn(selection.reason)
    click.echo(selection.model_id)
    click.echo(f"Reason: {safe_text(selection.reason, 1_000)}")


def _explain(registry: ModelRegistry, selection: Selection | None) -> None:
    click.echo("What decides, the strongest first:")
    for step in chain(registry.config):
        click.echo(f"  {safe_text(step.source)}: {safe_text(step.value or 'says nothing')}")
    criteria = registry.config.get("l2_model.auto_criteria")
    rows = [
        [
            safe_text(candidate.model_id),
            "n/a"
            if candidate.value is None
            else f"{candidate.value:.4g}{_MARKS[candidate.origin]}",
            safe_text(candidate.verdict, 100),
        ]
        for candidate in candidates(registry, selection)
    ]
    click.echo(f"\n{format_table(['Model', safe_text(criteria), 'Verdict'], rows)}")
    click.echo(_ORIGIN)

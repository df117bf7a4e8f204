"""``raxe models which``."""

from __future__ import annotations

from pathlib import Path

import click

from raxe_core.cli.output import echo_json, format_table, warn
from raxe_core.config import load_config
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text
from raxe_core.selection_report import candidates, chain, effective_selection


@click.command()
@click.option("--explain", is_flag=True, help="Show every candidate, and what led to the choice.")
@click.option("--user-id", help="The user that the scan would be for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def which(config_path: Path | None, explain: bool, user_id: str | None, as_json: bool) -> None:
    """Tell which model a scan would use now, and why.

    \b
    Examples:
      raxe models which
      raxe models which --explain
    """
    registry = ModelRegistry(load_config(config_path))
    selection = effective_selection(registry, user_id)
    steps = chain(registry.config)
    listed = candidates(registry, selection.model_id) if explain or as_json else []
    if as_json:
        echo_json(
            {
                **selection._asdict(),
                "chain": [step._asdict() for step in steps],
                "candidates": [candidate._asdict() for candidate in listed],
            }
        )
        return
    if selection.fallback_from is not None:
        warn(selection.reason)
    click.echo(selection.model_id)
    click.echo(f"Reason: {safe_text(selection.reason, 1_000)}")
    if explain:
        click.echo("\nWhat decides, the strongest first:")
        for step in steps:
            click.echo(f"  {safe_text(step.source)}: {safe_text(step.value or 'says nothing')}")
        criteria = registry.config.get("l2_model.auto_criteria")
        rows = [
            [
                safe_text(candidate.model_id),
                "n/a" if candidate.value is None else f"{candidate.value:.4g}",
                safe_text(candidate.verdict, 100),
            ]
            for candidate in listed
        ]
        click.echo(f"\n{format_table(['Model', safe_text(criteria), 'Verdict'], rows)}")

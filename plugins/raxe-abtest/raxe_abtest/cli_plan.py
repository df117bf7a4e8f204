"""``raxe abtest plan``."""

from __future__ import annotations

from typing import Any

import click
from raxe_core.cli.output import echo_json

from raxe_abtest.statistics.planner import plan


@click.command("plan")
@click.option("--baseline", type=float, default=0.9, show_default=True, help="The rate of A.")
@click.option("--effect", type=float, required=True, help="The smallest difference that matters.")
@click.option("--split", type=float, default=0.5, show_default=True, help="Share of variant B.")
@click.option("--alpha", type=float, default=0.05, show_default=True)
@click.option("--power", type=float, default=0.8, show_default=True)
@click.option("--requests-per-user", type=float, default=1.0, show_default=True)
@click.option("--icc", type=float, default=0.0, show_default=True,
              help="How alike one user's outcomes are, 0 to 1.")  # fmt: skip
@click.option("--cv", type=float, default=0.0, show_default=True,
              help="Deviation of the requests per user, in parts of their mean.")  # fmt: skip
@click.option("--deviation", type=float, help="Plan a mean: its standard deviation.")
@click.option("--discordance", type=float,
              help="Plan shadow mode: on what share of prompts the models differ.")  # fmt: skip
@click.option("--users-per-day", type=float, help="Say how many days it takes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_command(as_json: bool, baseline: float, effect: float, **options: Any) -> None:
    """Say how many users an experiment takes.

    \b
    Examples:
      raxe abtest plan --baseline 0.90 --effect 0.02
      raxe abtest plan --baseline 0.90 --effect 0.02 --split 0.1 --users-per-day 800
      raxe abtest plan --baseline 0.90 --effect 0.02 --requests-per-user 10 --icc 0.1
      raxe abtest plan --effect 5 --deviation 60
      raxe abtest plan --effect 0.02 --discordance 0.08
    """
    found = plan(baseline, effect, **options)
    if as_json:
        echo_json(found._asdict())
        return
    what = "Users"
    if options["discordance"] is not None:
        what = "Prompts that both models judge"
        if options["requests_per_user"] > 1:
            what = "Users whose prompts both models judge"
    click.echo(f"{what}, all variants together:")
    click.echo(f"  {found.expected:>10,}  on average, until a real difference is found")
    click.echo(f"  {found.anytime:>10,}  to have found it with {options['power']:.0%} certainty")
    click.echo(f"  {found.fixed:>10,}  if you look once, at the end, and not before")
    if found.design_effect > 1:
        click.echo(f"Requests of one user are alike: {found.design_effect:.2f}x as many.")
    if found.days is not None:
        click.echo(f"Days, on average: {found.days:.1f}")
    click.echo(f"Start with: raxe abtest start MODEL_A MODEL_B --users {found.planned_users}")

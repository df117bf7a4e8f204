"""``raxe models benchmark``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from raxe_core.benchmark.measure import Plan
from raxe_core.benchmark.profile import save_profile
from raxe_core.benchmark.run import figures_of, run_benchmark
from raxe_core.cli.dataset_options import report_options, show_progress, write_report
from raxe_core.cli.gated import GatedCommand
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.option_types import FiniteRange, OutputFile, unwritable
from raxe_core.cli.output import echo_json, warn, warn_of_problems
from raxe_core.config import load_config
from raxe_core.errors import ConfigError, NoModelError, UsageError
from raxe_core.registry import ModelRegistry
from raxe_core.safe_text import safe_text


def _numbers(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("write whole numbers with commas, such as 16,64") from None
    if not all(1 <= number <= 4_096 for number in numbers):
        raise click.BadParameter("each number must be from 1 to 4096")
    return numbers


@click.command(cls=GatedCommand)
@click.argument("model_ids", nargs=-1, type=MODEL, metavar="[MODEL]...")
@click.option(
    "--iterations",
    type=click.IntRange(1, 1_000_000),
    default=1_000,
    show_default=True,
    help="Single calls per model. P95 needs 130, P99 662, P99.9 6636.",
)
@click.option("--tokens", default="16,64,128,256", show_default=True, callback=_numbers)
@click.option("--batches", default="1,8,32", show_default=True, callback=_numbers)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--latency-bound",
    "latency_bound_ms",
    type=FiniteRange(0, min_open=True),
    metavar="MS",
    help="The P95 that the highest rate of random arrivals keeps. By default twice that of single "
    "calls.",
)
@click.option("--output", type=OutputFile(), help="The report's path.")
@click.option(
    "--self-check",
    "checking",
    is_flag=True,
    help="Check the benchmark: a model against itself, and against itself slowed by 10%.",
)
@report_options
@click.pass_obj
def benchmark(
    config_path: Path | None,
    /,
    *,
    model_ids: tuple[str, ...],
    output: Path | None,
    checking: bool,
    as_json: bool,
    reporter: str,
    **options: Any,
) -> None:
    """Measure speed and memory, of every active model or of those named.

    Each model runs in a fresh process of its own, until it is steady; then the models take turns
    in random order. The figures become this machine's profile, which list, info and selection
    prefer to what metadata claims.

    \b
    Exit codes:
      0  measured; with --self-check: the benchmark can be trusted here
      1  with --self-check: it cannot
      2  wrong usage, or a model that cannot be loaded

    \b
    Examples:
      raxe models benchmark
      raxe models benchmark v1.0_onnx_int8 --iterations 200 --tokens 16,64 --batches 1
      raxe models benchmark v1.0_onnx_int8 --self-check --iterations 480
    """
    reporter = "json" if as_json else reporter
    human = reporter == "table"
    registry = ModelRegistry(load_config(config_path))
    names = list(model_ids) or [m.model_id for m in registry.usable_models() if _active(m)]
    names = list(dict.fromkeys(registry.get_model(name).model_id for name in names))
    if not names:
        raise NoModelError("No active model can be used. See: raxe models list")
    config = registry.config.path if registry.config.path.exists() else None
    plan = Plan(config=config, **options)
    if checking:
        _self_check(names[0], plan, reporter == "json")
    folder = Path("benchmarks")
    if output is None and (reason := unwritable(folder / "report")):
        raise UsageError(f"{folder}: cannot be written: {reason}. Name another place by --output.")
    render = registry.host.reporter(reporter).render
    if human:
        what = "the models named" if model_ids else "all active models"
        click.echo(f"Benchmarking {what} ({plan.iterations} iterations each)", err=True)
    report = run_benchmark(names, plan, _progress)
    path = output or _report_path(folder)
    write_report(json.dumps(report, indent=2, allow_nan=False) + "\n", path)
    if plan.threads == 1:  # as models run by default
        _save(registry, report)
    click.echo(render(report))
    click.echo(f"\nBenchmark Report saved to: {safe_text(str(path), 500)}", err=not human)
    warn_of_problems(registry.host)
    if any(row["error"] for row in report["models"]):
        raise SystemExit(2)


def _active(model: Any) -> bool:
    return bool(model.status == "active")


def _progress(items: Iterable[int], label: str) -> Iterable[int]:
    return show_progress(items, label)


def _report_path(folder: Path) -> Path:
    """Return today's path; a second report of a day gets a number and replaces nothing."""
    stem = f"{time.strftime('%Y-%m-%d')}_models"
    path, number = folder / f"{stem}.json", 2
    while path.exists():
        path = folder / f"{stem}_{number}.json"
        number += 1
    return path


def _save(registry: ModelRegistry, report: dict[str, Any]) -> None:
    contended = report["environment"]["contended"]
    measured = {
        row["model_id"]: (
            registry.get_model(row["model_id"]).bundle_path,
            figures_of(row, contended),
        )
        for row in report["models"]
        if not row["error"]
    }
    try:
        save_profile(measured, report["created"])
    except (ConfigError, OSError) as error:
        warn(f"this machine's profile was not saved: {error}")


def _self_check(model_id: str, plan: Plan, as_json: bool) -> None:
    from raxe_core.benchmark.self_check import self_check

    if plan.iterations < 80:
        raise UsageError("--self-check needs --iterations 80 or more.")
    report = self_check(model_id, plan, _progress)
    if as_json:
        echo_json(report)
    else:
        same, slowed = report["same"]["cpu"], report["slowed"]["cpu"]
        click.echo(f"Self-check of the benchmark with {model_id}, {report['rounds']} rounds:")
        click.echo(f"  against itself: {_ratio(same)}")
        click.echo(f"  against itself and 10% more: {_ratio(slowed)}")
        click.echo("✅ It can be trusted here." if report["passed"] else "❌ Not to be trusted.")
    raise SystemExit(0 if report["passed"] else 1)


def _ratio(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"CPU time x{found['ratio']:.3f} [{low:.3f}, {high:.3f}]: {found['verdict']}"

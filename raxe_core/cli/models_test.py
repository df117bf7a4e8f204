"""``raxe models test``."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import click

from raxe_core.cli.dataset_options import (
    count_progress,
    partial_of,
    prompt_options,
    report_options,
    run_options,
    stream_of,
    wants_details,
)
from raxe_core.cli.gated import GatedCommand
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.option_types import OutputFile
from raxe_core.cli.output import warn, warn_of_problems
from raxe_core.config import load_config
from raxe_core.evaluation.batches import BATCH_TOKENS
from raxe_core.evaluation.comparison import figures_of
from raxe_core.evaluation.details import details
from raxe_core.evaluation.gates import check_floors, exit_code, parse_floors
from raxe_core.evaluation.sharded import judge_shards
from raxe_core.evaluation.stream import PromptStream
from raxe_core.judging import teams
from raxe_core.registry import ModelRegistry
from raxe_core.threshold import threshold_origin

TIMED_PROMPTS = 1_000


@click.command(cls=GatedCommand)
@click.argument("model_id", type=MODEL)
@prompt_options
@click.option(
    "--fail-under",
    metavar="LIMITS",
    help="Floors such as recall=0.9,f1=0.85; for a metric where lower is better, a ceiling.",
)
@run_options
@click.option(
    "--batch-tokens",
    type=click.IntRange(0, 1 << 20),
    default=BATCH_TOKENS,
    show_default=True,
    help="Judge in batches of about so many tokens, sorted by length; 0 judges all prompts alone.",
)
@click.option(
    "--output",
    type=OutputFile(),
    help="Write each prompt's score, decision and label to this .jsonl file.",
)
@report_options
@click.pass_obj
def test(
    config_path: Path | None,
    /,
    *,
    model_id: str,
    fail_under: str | None,
    as_json: bool,
    reporter: str,
    **options: Any,
) -> None:
    """Measure a model's quality on labelled prompts.

    Figures have 95% intervals, and --fail-under is decided by them.

    Latencies are those of single scans. Of more than 1,000 prompts in files, 1,000 chosen at random
    are judged alone, and the others in batches; a score does not depend on that.

    \b
    Exit codes:
      0  measured; every floor is kept
      1  a floor is broken
      2  wrong usage, unreadable input, a model that cannot be loaded
      3  the interval holds a floor: more prompts would decide

    \b
    Examples:
      raxe models test v1.0_onnx_int8
      raxe models test v1.0_onnx_int8 --prompts threats.txt --prompts benign.txt
      raxe models test v1.0_onnx_int8 --prompts data.csv --fail-under recall=0.9,f1=0.85
      raxe models test v1.0_onnx_int8 --prompts big.jsonl.gz --output scores.jsonl --workers 4
      zcat data.jsonl.gz | raxe models test v1.0_onnx_int8 --prompts - --json
    """
    floors = () if fail_under is None else parse_floors(fail_under)
    registry = ModelRegistry(load_config(config_path))
    model = registry.get_model(model_id)
    render = registry.host.reporter("json" if as_json else reporter).render
    human = not as_json and reporter == "table"
    stream, batch_tokens = stream_of(options), options["batch_tokens"]
    timed = _timed(stream) if batch_tokens else None
    settings = (options["threads"], options["workers"], batch_tokens)
    with partial_of(registry, [model], options, rows=True) as partial:
        if human:
            click.echo(f"Testing model: {model.model_id}")
        judging = teams(registry, [model.model_id], *settings)
        with judging as judges, count_progress(stream) as advance:
            (judgements,) = judge_shards([model.model_id], stream, judges, partial, advance, timed)
        if partial is not None:
            partial.join()
    for note in stream.notes:
        warn(f"skipped: {note}")
    report = judgements.report(stream.describe())
    report["threshold_origin"] = threshold_origin(registry.config, model.model_id)
    if not as_json and wants_details(reporter):
        report["details"] = details(judgements)
    checks = check_floors(model.model_id, figures_of(report), floors)
    code = exit_code(checks)
    if floors:
        verdict = {0: "passed", 1: "failed", 3: "inconclusive"}[code]
        report["gate"] = {"verdict": verdict, "checks": [check._asdict() for check in checks]}
    if human:
        skipped = f" ({stream.skipped} malformed rows skipped)" if stream.skipped else ""
        click.echo(f"Test prompts: {len(judgements)}{skipped}\n")
    click.echo(render(report))
    warn_of_problems(registry.host)
    raise SystemExit(code)


def _timed(stream: PromptStream) -> list[int] | None:
    """Choose the prompts to judge alone, enough for a P95 with an interval; None for all."""
    prompts = stream.count()
    if prompts is None or prompts <= TIMED_PROMPTS:
        return None
    chosen = random.Random(0).sample(range(1, prompts), TIMED_PROMPTS - 1)  # noqa: S311  # no secret
    return [0, *sorted(chosen)]  # the first: one is there, however the files change meanwhile

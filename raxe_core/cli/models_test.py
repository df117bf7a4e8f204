"""``raxe models test``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import warn_of_problems
from raxe_core.config import load_config
from raxe_core.errors import UsageError
from raxe_core.evaluation.datasets import Prompt, read_dataset, standard_dataset
from raxe_core.evaluation.run import Evaluation, evaluate
from raxe_core.files import replacing
from raxe_core.model import RuntimeOptions
from raxe_core.registry import ModelRegistry


@click.command()
@click.argument("model_id", type=MODEL)
@click.option(
    "--prompts",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .txt, .csv or .jsonl file, plain or .gz; may be given several times. "
    "Without it, the standard test dataset is used.",
)
@click.option(
    "--label",
    type=click.Choice(["threat", "benign"]),
    help="The label of the prompts of a .txt file whose name does not tell.",
)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write each prompt's score, decision and label to this .jsonl file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the same as --format json.")
@click.option(
    "--format", "reporter", default="table", show_default=True, help="The reporter to print with."
)
@click.pass_obj
def test(
    config_path: Path | None,
    model_id: str,
    paths: tuple[Path, ...],
    label: str | None,
    threads: int,
    output: Path | None,
    as_json: bool,
    reporter: str,
) -> None:
    """Measure a model's quality on labelled prompts.

    Each prompt is judged alone, so the latencies are those of single scans.

    \b
    Examples:
      raxe models test v1.0_onnx_int8
      raxe models test v1.0_onnx_int8 --prompts threats.txt --prompts benign.txt
      raxe models test v1.0_onnx_int8 --prompts data.csv --output scores.jsonl --json
    """
    registry = ModelRegistry(load_config(config_path))
    registry.get_model(model_id)
    render = registry.host.reporter("json" if as_json else reporter).render
    human = not as_json and reporter == "table"
    dataset = read_dataset(paths, label) if paths else standard_dataset()
    detector = registry.create_detector(model_id, RuntimeOptions(threads=threads))
    if human:
        click.echo(f"Testing model: {model_id}")
        click.echo(f"Test prompts: {len(dataset.prompts)}")
    try:
        evaluation = evaluate(detector, model_id, dataset, _progress)
    finally:
        detector.close()
    if output is not None:
        _write_scores(evaluation, output)
    click.echo(("\n" if human else "") + render(evaluation.report()))
    warn_of_problems(registry.host)


def _progress(prompts: Iterable[Prompt]) -> Iterator[Prompt]:
    """Show a bar on stderr while the prompts are consumed."""
    items = list(prompts)
    bar = click.progressbar(
        items,
        file=sys.stderr,
        width=28,
        fill_char="━",
        empty_char=" ",
        show_pos=True,
        show_percent=True,
        bar_template="%(bar)s %(info)s",
    )
    with bar as shown:
        yield from shown


def _write_scores(evaluation: Evaluation, path: Path) -> None:
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for item in evaluation.scored:
                found = item.result.predictions
                row = {
                    "text": item.prompt.text,
                    "label": int(item.prompt.is_threat),
                    "family": item.prompt.family,
                    "subfamily": item.prompt.subfamily,
                    "score": item.result.score,
                    "decision": int(item.result.is_threat),
                    "predicted_family": found[0].family if found else None,
                    "predicted_subfamily": found[0].subfamily if found else None,
                    "latency_ms": item.result.processing_time_ms,
                }
                file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}.") from None

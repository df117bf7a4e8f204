"""``raxe models test``."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from raxe_core._version import __version__
from raxe_core.cli.dataset_options import columns_of, prompt_options, report_options, wants_details
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.output import warn, warn_of_problems
from raxe_core.config import load_config
from raxe_core.errors import UsageError
from raxe_core.evaluation.comparison import figures_of
from raxe_core.evaluation.datasets import standard_paths
from raxe_core.evaluation.details import details
from raxe_core.evaluation.gates import check_floors, exit_code, parse_limits
from raxe_core.evaluation.sharded import Partial, judge, judge_shards
from raxe_core.evaluation.stream import PromptStream
from raxe_core.model import RuntimeOptions
from raxe_core.registry import ModelRegistry


@click.command()
@click.argument("model_id", type=MODEL)
@prompt_options
@click.option(
    "--fail-under",
    metavar="LIMITS",
    help="Floors such as recall=0.9,f1=0.85; for a metric where lower is better, a ceiling.",
)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Judge in so many processes; times are then those of a busy machine.",
)
@click.option(
    "--batch-tokens",
    type=click.IntRange(0, 1 << 20),
    default=0,
    help="Judge in batches of about so many tokens, sorted by length; 0 judges prompts alone.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write each prompt's score, decision and label to this .jsonl file.",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same --output.")
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

    Each prompt is judged alone, so the latencies are those of single scans. Figures have 95%
    intervals, and --fail-under is decided by them.

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
    floors = parse_limits(fail_under) if fail_under else ()
    registry = ModelRegistry(load_config(config_path))
    model = registry.get_model(model_id)
    render = registry.host.reporter("json" if as_json else reporter).render
    human = not as_json and reporter == "table"
    stream, partial = _input(options, model, registry)
    if human:
        click.echo(f"Testing model: {model.model_id}")
    with _judges(registry, model.model_id, options) as judges, _progress() as advance:
        judgements = judge_shards(model.model_id, stream, judges, partial, advance)
    if partial is not None:
        partial.finish()
    for note in stream.notes:
        warn(f"skipped: {note}")
    report = judgements.report(stream.describe())
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


def _input(
    options: dict[str, Any], model: Any, registry: ModelRegistry
) -> tuple[PromptStream, Partial | None]:
    """Return the prompts, and the folder of unfinished shards where there is an output."""
    paths: Sequence[Path] = options["paths"] or standard_paths()
    columns, output = columns_of(options["columns"]), options["output"]
    stream = PromptStream(paths, options["label"], columns, options["strict"])
    if not options["paths"]:
        stream.name = "standard"
    if output is None:
        if options["resume"]:
            raise UsageError("--resume goes on with an --output; name it.")
        return stream, None
    if options["resume"] and any(str(path) == "-" for path in paths):
        raise UsageError("Standard input cannot be resumed. Save it to a file first.")
    key = {
        "raxe": __version__,
        "model": [model.model_id, _digest(model.bundle_path)],
        "threshold": registry.config.get("l2_model.thresholds").get(model.model_id),
        "files": [[path.name, _digest(path)] for path in paths if str(path) != "-"],
        "options": [options["label"], columns, options["strict"], options["batch_tokens"]],
    }
    return stream, Partial(output, key, options["resume"])


def _digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a file; None where it cannot be read, which is told later."""
    if path is None:
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


@contextlib.contextmanager
def _judges(registry: ModelRegistry, model_id: str, options: dict[str, Any]) -> Iterator[Any]:
    """Give the functions that judge: one in this process, or one for each worker process."""
    threads, budget = options["threads"], options["batch_tokens"]
    with contextlib.ExitStack() as stack:
        if options["workers"] == 1:
            detector = registry.create_detector(model_id, RuntimeOptions(threads=threads))
            stack.callback(detector.close)
            detector.analyze("warm-up")
            yield [lambda texts: judge(detector, texts, budget)]
            return
        from raxe_core.benchmark.child import Child

        config = registry.config.path if registry.config.path.exists() else None
        children = []
        for _ in range(options["workers"]):
            child = stack.enter_context(Child(threads))
            child.ask("load", model_id=model_id, config=config and str(config), threads=threads)
            children.append(child)

        def asking(child: Child) -> Any:
            return lambda texts: child.ask("judge", texts=list(texts), batch_tokens=budget)

        yield [asking(child) for child in children]


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """Count the judged prompts on stderr, where it is a terminal; their number is not known."""
    done = 0

    def advance(prompts: int) -> None:
        nonlocal done
        done += prompts
        if sys.stderr.isatty():
            click.echo(f"\r{done:,} prompts judged", nl=False, err=True)

    yield advance
    if sys.stderr.isatty():
        click.echo("", err=True)

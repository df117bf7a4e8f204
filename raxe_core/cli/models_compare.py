"""``raxe models compare``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from raxe_core.benchmark.fingerprint import machine_key
from raxe_core.cli.dataset_options import (
    count_progress,
    partial_of,
    prompt_options,
    report_options,
    run_options,
    stream_of,
    wants_details,
    write_report,
)
from raxe_core.cli.gated import GatedCommand
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.option_types import OutputFile
from raxe_core.cli.output import warn, warn_of_problems
from raxe_core.comparing import RunOptions, distinct_models, run_comparison
from raxe_core.config import load_config
from raxe_core.constraints import parse_constraints
from raxe_core.errors import UsageError
from raxe_core.evaluation.comparison import SCHEMA_VERSION, figures_of
from raxe_core.evaluation.datasets import standard_paths
from raxe_core.evaluation.gates import (
    Check,
    check_regressions,
    exit_code,
    parse_limits,
    restored,
)
from raxe_core.evaluation.source import MAX_FILE_BYTES, STDIN
from raxe_core.evaluation.stream import PromptStream
from raxe_core.files import file_digest, read_regular
from raxe_core.registry import ModelRegistry
from raxe_core.strict_json import parse_json

MAX_REPORT_BYTES = 1 << 30


@click.command(cls=GatedCommand)
@click.argument("model_ids", nargs=-1, required=True, type=MODEL, metavar="MODEL...")
@prompt_options
@click.option("--criteria", default="balanced", show_default=True, help="What best means.")
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="EXPRESSION",
    help='Such as "p95_latency_ms<10"; may be given several times. Decided on the bad end of the '
    "95% interval.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="A report of an earlier comparison on the same prompts, to gate against.",
)
@click.option("--baseline-model", metavar="ID", help="The model of the baseline to gate against.")
@click.option(
    "--max-regression",
    metavar="LIMITS",
    help="By how much each metric may be worse than the baseline: recall=0.01,p95_latency_ms=5%.",
)
@run_options
@click.option("--output", type=OutputFile(), help="Write the report as JSON to this file.")
@report_options
@click.pass_obj
def compare(
    config_path: Path | None,
    /,
    *,
    model_ids: tuple[str, ...],
    constraints: tuple[str, ...],
    as_json: bool,
    reporter: str,
    **options: Any,
) -> None:
    """Let models judge the same prompts, and say which is best and how sure that is.

    Every figure has a 95% interval, and models are compared by paired tests on the same prompts.
    A limit that the interval does not decide is inconclusive, neither met nor broken.

    \b
    Exit codes:
      0  compared; every gate passed
      1  a gate failed, or no model meets the constraints
      2  wrong usage, unreadable input, a model that cannot be loaded
      3  a gate or a constraint is inconclusive: more prompts would decide

    \b
    Examples:
      raxe models compare v1.0_onnx_int8 v1.0_pytorch --prompts data.csv
      raxe models compare A B --constraint "p95_latency_ms<10" --criteria accuracy
      raxe models compare NEW --baseline main.json --max-regression recall=0.01,p95_latency_ms=5%
    """
    gate = _gate_options(options)
    limits = parse_constraints(constraints)
    registry = ModelRegistry(load_config(config_path))
    render = registry.host.reporter("json" if as_json else reporter).render
    models = distinct_models(registry, model_ids)
    stream = stream_of(options)
    if gate:
        _check_dataset(gate[0]["dataset"], stream, options["paths"] or standard_paths())
    with partial_of(registry, models, options, rows=False) as partial:
        with count_progress(stream) as advance:
            detailed = not as_json and wants_details(reporter)
            run = RunOptions(options["threads"], options["workers"], partial, advance, detailed)
            comparison = run_comparison(registry, models, stream, options["criteria"], limits, run)
        for note in stream.notes:
            warn(f"skipped: {note}")
        report = dict(comparison.report)
        checks = _gate(gate, report) if gate else []
        if partial is not None:
            write_report(json.dumps(report, indent=2, allow_nan=False) + "\n", options["output"])
            partial.discard()
    click.echo(render(report))
    warn_of_problems(registry.host)
    code = exit_code(checks)
    if not any(map(_is_met, report["models"])) and code != 1:
        code = 3 if any(map(_is_undecided, report["models"])) else 1
    raise SystemExit(code)


def _is_met(row: dict[str, Any]) -> bool:
    return all(found["met"] for found in row["constraints"])


def _is_undecided(row: dict[str, Any]) -> bool:
    """Whether more prompts might show that a model meets the constraints."""
    unmet = [found for found in row["constraints"] if not found["met"]]
    return bool(unmet) and not any(found["certain"] for found in unmet)


def _gate_options(options: dict[str, Any]) -> tuple[Any, Any, Any] | None:
    """Return the baseline's report, its model and the limits; None without a gate."""
    path, limits = options["baseline"], options["max_regression"]
    if (path is None) != (limits is None):
        raise UsageError("--baseline and --max-regression go together; one of them is missing.")
    if path is None:
        return None
    try:
        report = parse_json(read_regular(path, MAX_REPORT_BYTES), limit=MAX_REPORT_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}. Give a report of raxe models compare.") from None
    if not isinstance(report, dict) or report.get("kind") != "comparison":
        raise UsageError(f"{path}: is no report of a comparison. Make one with --output.")
    if report.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: is no report of schema {SCHEMA_VERSION}. Measure the baseline again."
        )
    with _damage_told():
        row = _baseline_row(report, options["baseline_model"])
        restored(row, report["dataset"]["prompts"])
        for figure in figures_of(row).values():
            sum(filter(None, figure))  # they are numbers
        report["dataset"]["sha256"].values(), report["environment"].get("machine_key")
    return report, row, parse_limits(limits)


def _check_dataset(dataset: dict[str, Any], stream: PromptStream, paths: Sequence[Path]) -> None:
    """Refuse a baseline of other prompts before they are judged, where the files tell."""
    _check_columns(dataset, stream.describe())
    if STDIN in paths:
        return
    try:
        digests = [file_digest(path, MAX_FILE_BYTES).removeprefix("sha256:") for path in paths]
    except OSError:  # which is told when the file is opened
        return
    _check_files(dataset, digests)


def _gate(gate: tuple[Any, Any, Any], report: dict[str, Any]) -> list[Check]:
    baseline, row, limits = gate
    with _damage_told():
        _check_files(baseline["dataset"], list(report["dataset"]["sha256"].values()))
        same = baseline["environment"].get("machine_key") == machine_key()
        checks = []
        for current in report["models"]:
            judgements = restored(current, report["dataset"]["prompts"])
            checks += check_regressions(current, judgements, row, limits, same)
    code = exit_code(checks)
    verdict = {0: "passed", 1: "failed", 3: "inconclusive"}[code]
    report["gate"] = {
        "verdict": verdict,
        "baseline_model": row["model_id"],
        "checks": [check._asdict() for check in checks],
    }
    return checks


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"The baseline's report is damaged: {error!r}. Measure it again."
        ) from None


def _check_files(dataset: dict[str, Any], digests: list[str]) -> None:
    # In this order: the prompts are compared one by one.
    if list(dataset["sha256"].values()) != digests:
        raise UsageError("The baseline was measured on other prompts. Measure it again.")


def _check_columns(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse a baseline whose prompts are other columns of the same files, where it says so."""
    if "columns" in old and old["columns"] != new["columns"]:
        before, now = (
            " ".join(f"--column {field}={name}" for field, name in sorted(columns.items()))
            for columns in (old["columns"], new["columns"])
        )
        raise UsageError(
            f"The baseline was measured with {before or 'no --column'}, this run with "
            f"{now or 'none'}. Give the same, or measure the baseline again."
        )


def _baseline_row(baseline: dict[str, Any], wanted: str | None) -> Any:
    """Return the named model, or the recommended one, or the only one."""
    rows = {row["model_id"]: row for row in baseline["models"]}
    name = wanted or baseline["recommendation"]["model_id"] or next(iter(rows), "")
    if name not in rows:
        raise UsageError(f"The baseline holds no model {name!r}, but {', '.join(rows)}.")
    return rows[name]

"""``raxe models threshold``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from raxe_core.cli.dataset_options import count_progress, prompt_options, stream_of
from raxe_core.cli.model_argument import MODEL
from raxe_core.cli.option_types import FiniteRange
from raxe_core.cli.output import echo_json, percent, short_path, warn
from raxe_core.config import load_config
from raxe_core.defaults import change_setting
from raxe_core.detector import Detector
from raxe_core.errors import UsageError
from raxe_core.evaluation.column import Column
from raxe_core.evaluation.metrics import Confusion, threshold_at_fpr
from raxe_core.evaluation.prompts import Prompt
from raxe_core.evaluation.statistics import wilson
from raxe_core.evaluation.stream import PromptStream
from raxe_core.model import RuntimeOptions
from raxe_core.registry import ModelRegistry


@click.command("threshold")
@click.argument("model_id", type=MODEL)
@prompt_options
@click.option(
    "--max-fpr",
    type=FiniteRange(0, 1, min_open=True),
    default=0.01,
    show_default=True,
    help="The share of benign prompts that may alarm.",
)
@click.option("--dry-run", is_flag=True, help="Report, and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def threshold(
    config_path: Path | None,
    /,
    *,
    model_id: str,
    max_fpr: float,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Tune a model's decision threshold on your prompts, and store it for this model.

    One half of the prompts chooses the threshold, the other half tells what it does: figures from
    the half that chose would flatter. A prompt's half depends on its text alone. The threshold is
    stored in config.yaml as l2_model.thresholds.MODEL.

    \b
    Exit codes:
      0  reported, and stored unless --dry-run
      1  the model is invalid
      2  wrong usage, unreadable input, too few prompts, file cannot be written

    \b
    Examples:
      raxe models threshold v1.0_onnx_int8 --prompts data.csv --max-fpr 0.01
      raxe models threshold v1.0_onnx_int8 --prompts data.csv --dry-run --json
    """
    config = load_config(config_path)
    registry = ModelRegistry(config)
    model_id = registry.get_model(model_id).model_id
    stream = stream_of(options)
    with_own = registry.create_detector(model_id, RuntimeOptions())
    try:
        halves, before = _judged(with_own, stream)
    finally:
        with_own.close()
    for note in stream.notes:
        warn(f"skipped: {note}")
    report = _tuned(*halves, before, max_fpr)
    report = {"model_id": model_id, **report, "stored_in": None if dry_run else str(config.path)}
    if not dry_run:
        change_setting(f"l2_model.thresholds.{model_id}", report["threshold"], config.path)
    if as_json:
        echo_json(report)
        return
    for line in _lines(report):
        click.echo(line)
    if not dry_run:
        click.echo(f"Stored in {short_path(config.path)}; every use of this model applies it.")


class _Half(NamedTuple):
    """One half of the prompts: labels and scores."""

    labels: Column[int]
    scores: Column[float]


def _judged(detector: Detector, prompts: PromptStream) -> tuple[tuple[_Half, _Half], float]:
    """Judge the prompts; return both halves, and the threshold of now."""
    halves = (_Half(Column("B"), Column("d")), _Half(Column("B"), Column("d")))
    before = 0.0
    with count_progress(prompts) as advance:
        for prompt in prompts:
            result = detector.analyze(prompt.text)
            half, before = halves[_half(prompt)], result.threshold
            half.labels.append(prompt.is_threat)
            half.scores.append(result.score)
            advance(1)
    return halves, before


def _tuned(tuned: _Half, told: _Half, before: float, max_fpr: float) -> dict[str, Any]:
    """Choose the threshold on one half of the judged prompts, and report on the other.

    Raises:
        UsageError: there are too few benign prompts for this false positive rate.
    """
    value = threshold_at_fpr(tuned.labels, tuned.scores, max_fpr)
    needed, benign = math.ceil(1 / max_fpr), tuned.labels.count(0)
    if value is None or benign < needed or not told.labels.count(0):
        raise UsageError(
            f"{benign} benign prompts in the half that chooses cannot tell a false positive rate "
            f"of {max_fpr:g}; it takes {needed} there, and one in the other half. Prompts fall "
            f"into the halves by their text: give more than {2 * needed}."
        )
    if value > 1:
        raise UsageError(
            f"No threshold keeps a false positive rate of {max_fpr:g}: too many benign prompts "
            "have the highest score there is."
        )
    return {
        "max_fpr": max_fpr,
        "threshold": value,
        "before": before,
        "tuned_on": len(tuned.labels),
        "reported_on": len(told.labels),
        "at_threshold": _figures(told, value),
        "at_before": _figures(told, before),
    }


def _lines(report: dict[str, Any]) -> Iterator[str]:
    head = f"Threshold of {report['model_id']}: {report['threshold']:.6g}"
    yield f"{head} (before: {report['before']:.6g})"
    yield f"Chosen on {report['tuned_on']} prompts; on the {report['reported_on']} others:"
    yield f"  now: {_line(report['at_threshold'])}"
    yield f"  before: {_line(report['at_before'])}"


def _half(prompt: Prompt) -> int:
    """Return 0 or 1; equal texts are in the same half, so that none is on both sides."""
    return hashlib.sha256(prompt.text.encode("utf-8", "surrogatepass")).digest()[0] & 1


def _figures(half: _Half, value: float) -> dict[str, Any]:
    found = Confusion.of(half.labels, (score >= value for score in half.scores))
    return {
        "recall": found.recall,
        "recall_interval": wilson(found.tp, found.tp + found.fn),
        "false_positive_rate": found.false_positive_rate,
        "false_positive_rate_interval": wilson(found.fp, found.fp + found.tn),
    }


def _line(figures: Any) -> str:
    parts = []
    for name, words in (("recall", "recall"), ("false_positive_rate", "false positives")):
        ends = figures[f"{name}_interval"]
        between = f" [{ends[0]:.1%}, {ends[1]:.1%}]" if ends else ""
        parts.append(f"{words} {percent(figures[name])}{between}")
    return ", ".join(parts)

"""Run a comparison: all models judge the same prompts, in turns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from raxe_core.benchmark.child import loaded_memory_mb
from raxe_core.benchmark.contention import Meter
from raxe_core.benchmark.fingerprint import fingerprint
from raxe_core.constraints import Constraint, parse_constraints
from raxe_core.errors import UsageError
from raxe_core.evaluation.comparison import Comparison, Contender, compare
from raxe_core.evaluation.datasets import prompt_stream
from raxe_core.evaluation.sharded import Partial, judge_shards
from raxe_core.evaluation.stream import PromptStream
from raxe_core.judging import teams
from raxe_core.model import Model
from raxe_core.threshold import threshold_origin

if TYPE_CHECKING:
    from pathlib import Path

    from raxe_core.registry import ModelRegistry

__all__ = ["RunOptions", "compare_files", "distinct_models", "run_comparison"]


class RunOptions(NamedTuple):
    """How a comparison runs; with ``detailed``, its report has what reporters with plots need."""

    threads: int = 1
    workers: int = 1
    partial: Partial | None = None
    on_shard: Callable[[int], None] = lambda _: None
    detailed: bool = False


def compare_files(
    registry: ModelRegistry,
    model_ids: Sequence[str],
    paths: Sequence[Path],
    criteria: str,
    constraints: Sequence[str],
) -> Comparison:
    """Compare models on files of prompts; without one, on the standard test dataset."""
    models = distinct_models(registry, model_ids)
    limits = parse_constraints(constraints)
    return run_comparison(registry, models, prompt_stream(paths), criteria, limits)


def distinct_models(registry: ModelRegistry, model_ids: Sequence[str]) -> list[Model]:
    """Return the models with these ids or aliases.

    Raises:
        UsageError: a model is named twice.
        UnknownModelError: there is none of this name.
    """
    models = [registry.get_model(name) for name in model_ids]
    if len({model.model_id for model in models}) != len(models):
        raise UsageError("A model is named twice. Name each model once.")
    return models


def run_comparison(
    registry: ModelRegistry,
    models: Sequence[Model],
    prompts: PromptStream,
    criteria: str = "balanced",
    constraints: Sequence[Constraint] = (),
    options: RunOptions | None = None,
) -> Comparison:
    """Let every model judge every prompt alone, and compare them.

    The models take turns in blocks of prompts, in random order, so that a change in the machine's
    load meets all of them; memory is that of a fresh process per model.

    Raises:
        RaxeError: a model cannot be loaded, or a prompt cannot be read.
    """
    chosen, run = registry.host.criteria(criteria), options or RunOptions()
    model_ids = [model.model_id for model in models]
    meter = Meter(lambda: sum(os.times()[:4]))  # with the processes of workers that have ended
    with teams(registry, model_ids, run.threads, run.workers) as teams_:
        judged = judge_shards(model_ids, prompts, teams_, run.partial, run.on_shard)
    others = meter.others()
    share = None if others is None else min(1.0, others / (os.cpu_count() or 1))
    config = registry.config.path if registry.config.path.exists() else None
    contenders = [
        Contender(
            model,
            judgements,
            loaded_memory_mb(model.model_id, config, run.threads),
            model.bundle_path.stat().st_size / 1e6 if model.bundle_path else None,
        )
        for model, judgements in zip(models, judged, strict=True)
    ]
    environment = fingerprint(run.threads)
    described = prompts.describe()
    found = compare(contenders, described, chosen, constraints, environment, run.detailed)
    for row in found.report["models"]:
        row["threshold_origin"] = threshold_origin(registry.config, row["model_id"])
        row["latency_ms"]["contention"] = share
    return found

"""Run a comparison: all models judge the same prompts, in turns."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from raxe_core.benchmark.child import loaded_memory_mb
from raxe_core.benchmark.fingerprint import fingerprint
from raxe_core.constraints import Constraint, parse_constraints
from raxe_core.errors import UsageError
from raxe_core.evaluation.comparison import Comparison, Contender, compare
from raxe_core.evaluation.datasets import Dataset, Prompt, read_dataset, standard_dataset
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.pairs import BLOCK
from raxe_core.evaluation.run import describe
from raxe_core.model import RuntimeOptions

if TYPE_CHECKING:
    from pathlib import Path

    from raxe_core.detector import Detector
    from raxe_core.registry import ModelRegistry

__all__ = ["compare_files", "run_comparison"]

Progress = Callable[[Iterable[Prompt]], Iterable[Prompt]]


def compare_files(
    registry: ModelRegistry,
    model_ids: Sequence[str],
    paths: Sequence[Path],
    criteria: str,
    constraints: Sequence[str],
) -> Comparison:
    """Compare models on files of prompts; without one, on the standard test dataset."""
    dataset = read_dataset(paths) if paths else standard_dataset()
    return run_comparison(registry, model_ids, dataset, criteria, parse_constraints(constraints))


def run_comparison(
    registry: ModelRegistry,
    model_ids: Sequence[str],
    dataset: Dataset,
    criteria: str = "balanced",
    constraints: Sequence[Constraint] = (),
    threads: int = 1,
    progress: Progress = iter,
    detailed: bool = False,
) -> Comparison:
    """Let every model judge every prompt alone, and compare them.

    The models take turns in blocks of prompts, in random order, so that a change in the machine's
    load meets all of them; memory is that of a fresh process per model.

    Raises:
        UsageError: a model is named twice.
        RaxeError: a model cannot be loaded.
    """
    chosen = registry.host.criteria(criteria)
    models = [registry.get_model(name) for name in model_ids]
    model_ids = [model.model_id for model in models]  # a name may be an alias
    if len(set(model_ids)) != len(model_ids):
        raise UsageError("A model is named twice. Name each model once.")
    options = RuntimeOptions(threads=threads)
    with contextlib.ExitStack() as stack:
        detectors = []
        for model in models:
            detector = registry.create_detector(model.model_id, options)
            stack.callback(detector.close)
            detectors.append(detector)
        judged = judge_in_turns(model_ids, detectors, dataset.prompts, progress)
    config = registry.config.path if registry.config.path.exists() else None
    contenders = [
        Contender(
            model,
            judgements,
            loaded_memory_mb(model.model_id, config, threads),
            model.bundle_path.stat().st_size / 1e6 if model.bundle_path else None,
        )
        for model, judgements in zip(models, judged, strict=True)
    ]
    environment = fingerprint(threads)
    return compare(contenders, describe(dataset), chosen, constraints, environment, detailed)


def judge_in_turns(
    model_ids: Sequence[str],
    detectors: Sequence[Detector],
    prompts: Iterable[Prompt],
    progress: Progress,
) -> list[Judgements]:
    """Return each model's judgements of the prompts."""
    judged = [Judgements(model_id) for model_id in model_ids]
    generator = random.Random(0)  # noqa: S311  # the order of turns is no secret
    for detector in detectors:
        detector.analyze("warm-up")
    block: list[Prompt] = []

    def take_turns() -> None:
        turns = list(range(len(detectors)))
        generator.shuffle(turns)
        for turn in turns:
            for prompt in block:
                judged[turn].add(prompt, detectors[turn].analyze(prompt.text))
        block.clear()

    for prompt in progress(prompts):
        block.append(prompt)
        if len(block) == BLOCK:
            take_turns()
    take_turns()
    return judged

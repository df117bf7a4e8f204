"""Teams: what judges prompts with loaded models, in this process or in worker processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raxe_core._version import __version__
from raxe_core.benchmark.child import Child
from raxe_core.evaluation.sharded import Judge, Team, judge
from raxe_core.evaluation.source import MAX_FILE_BYTES
from raxe_core.files import file_digest
from raxe_core.model import Model, RuntimeOptions

if TYPE_CHECKING:
    from raxe_core.registry import ModelRegistry

__all__ = ["run_key", "teams"]


@contextlib.contextmanager
def teams(
    registry: ModelRegistry,
    model_ids: Sequence[str],
    threads: int = 1,
    workers: int = 1,
    batch_tokens: int = 0,
) -> Iterator[list[Team]]:
    """Give one team in this process, or ``workers`` teams, each model of each in its own process.

    ``batch_tokens`` is that of :func:`raxe_core.evaluation.sharded.judge`.

    Raises:
        RaxeError: a model cannot be loaded.
    """
    with contextlib.ExitStack() as stack:

        def here(model_id: str) -> Judge:
            detector = registry.create_detector(model_id, RuntimeOptions(threads=threads))
            stack.callback(detector.close)
            detector.analyze("warm-up")
            return lambda texts, alone: judge(detector, texts, alone, batch_tokens)

        def elsewhere(model_id: str) -> Judge:
            path = registry.config.path
            config = str(path) if path.exists() else None
            child = stack.enter_context(Child(threads))
            child.ask("load", model_id=model_id, config=config, threads=threads)
            return lambda texts, alone: child.ask(
                "judge", texts=list(texts), alone=list(alone), batch_tokens=batch_tokens
            )

        load = here if workers == 1 else elsewhere
        yield [[load(model_id) for model_id in model_ids] for _ in range(workers)]


def run_key(
    registry: ModelRegistry,
    models: Sequence[Model],
    paths: Sequence[Path],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the verdicts of a run depend on: a run with another key is another run."""
    thresholds = registry.config.get("l2_model.thresholds")
    return {
        "raxe": __version__,
        "models": [
            [m.model_id, _digest(m.bundle_path), thresholds.get(m.model_id)] for m in models
        ],
        "files": [[path.name, _digest(path)] for path in paths],
        "options": dict(options),
    }


def _digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a file; None where it cannot be read, which is told later."""
    if path is None:
        return None
    try:
        return file_digest(path, MAX_FILE_BYTES)
    except OSError:
        return None

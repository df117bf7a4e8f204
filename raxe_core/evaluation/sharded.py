"""Judge prompts in shards: streamed in, written as they are done, taken up where they stopped.

A shard is ``SHARD`` prompts in the dataset's order. Its rows are written in one step to
``OUTPUT.partial/``; at the end they are joined to the output, which does not depend on how often
the run was interrupted, nor on the number of processes.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from raxe_core.detector import DetectionResult, Detector, Prediction
from raxe_core.errors import UsageError
from raxe_core.evaluation.batches import plan_batches
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.prompts import Prompt
from raxe_core.files import atomic_write, replacing

__all__ = ["SHARD", "Partial", "Verdicts", "judge", "judge_shards"]

SHARD = 500
Verdicts = list[list[Any]]
"""One list per prompt: is_threat, score, threshold, family, subfamily, milliseconds."""
Judge = Callable[[Sequence[str]], Verdicts]


def judge(detector: Detector, texts: Sequence[str], batch_tokens: int = 0) -> Verdicts:
    """Judge texts alone, or in batches of so many tokens; results in the texts' order."""
    if not batch_tokens:
        return [_verdict(detector.analyze(text)) for text in texts]
    found: dict[int, list[Any]] = {}
    for batch in plan_batches(texts, batch_tokens):
        results = detector.analyze_batch([texts[position] for position in batch])
        found.update(zip(batch, map(_verdict, results), strict=True))
    return [found[position] for position in range(len(texts))]


def judge_shards(
    model_id: str,
    prompts: Iterable[Prompt],
    judges: Sequence[Judge],
    partial: Partial | None = None,
    on_shard: Callable[[int], None] = lambda _: None,
) -> Judgements:
    """Return the judgements of all prompts; each judge works on one shard at a time.

    At most two shards per judge are in memory. Shards that ``partial`` holds are not judged again.
    """
    judgements = Judgements(model_id)
    free = deque(judges)
    with ThreadPoolExecutor(len(judges)) as pool:
        waiting: deque[tuple[list[Prompt], Future[Verdicts]]] = deque()

        def run(number: int, shard: list[Prompt]) -> Verdicts:
            if partial is not None and (known := partial.read(number, shard)) is not None:
                return known
            judge_ = free.popleft()
            try:
                verdicts = judge_([prompt.text for prompt in shard])
            finally:
                free.append(judge_)
            if partial is not None:
                partial.write(number, shard, verdicts)
            return verdicts

        def finish() -> None:
            shard, future = waiting.popleft()
            for prompt, verdict in zip(shard, future.result(), strict=True):
                judgements.add(prompt, _result(model_id, verdict))
            on_shard(len(shard))

        for number, shard in enumerate(_shards(prompts)):
            if len(waiting) >= 2 * len(judges):
                finish()
            waiting.append((shard, pool.submit(run, number, shard)))
        while waiting:
            finish()
    return judgements


class Partial:
    """The shards of an unfinished run, in a folder beside the output.

    ``key`` identifies what the rows depend on; with another key, nothing can be resumed.
    """

    def __init__(self, output: Path, key: dict[str, Any], resume: bool) -> None:
        self._output = output
        self._folder = output.with_name(f"{output.name}.partial")
        self._shards = 0
        key_path = self._folder / "run.json"
        content = json.dumps(key, sort_keys=True).encode("utf-8")
        try:
            if resume and key_path.exists():
                if key_path.read_bytes() != content:
                    raise UsageError(
                        f"{self._folder}: holds part of another run (other prompts, model or "
                        "options). Run without --resume to begin anew."
                    )
                return
            shutil.rmtree(self._folder, ignore_errors=True)
            atomic_write(key_path, content)
        except OSError as error:
            raise self._unwritable(error) from None

    def read(self, number: int, shard: Sequence[Prompt]) -> Verdicts | None:
        """Return a shard's verdicts if it was finished."""
        self._shards = max(self._shards, number + 1)
        try:
            head, *rows = self._path(number).read_text("utf-8").splitlines()
            verdicts: Verdicts = json.loads(head)["verdicts"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return verdicts if len(verdicts) == len(rows) == len(shard) else None

    def write(self, number: int, shard: Sequence[Prompt], verdicts: Verdicts) -> None:
        """Keep a shard that is finished: its verdicts, then the rows for the output."""
        rows = [
            json.dumps(_row(prompt, verdict))
            for prompt, verdict in zip(shard, verdicts, strict=True)
        ]
        lines = [json.dumps({"verdicts": verdicts}), *rows]
        try:
            atomic_write(self._path(number), ("\n".join(lines) + "\n").encode("utf-8"))
        except OSError as error:
            raise self._unwritable(error) from None

    def finish(self) -> None:
        """Join the rows to the output, and remove the folder."""
        try:
            with replacing(self._output) as temporary, temporary.open("wb") as out:
                for number in range(self._shards):
                    with self._path(number).open("rb") as file:
                        file.readline()
                        shutil.copyfileobj(file, out)
            shutil.rmtree(self._folder)
        except OSError as error:
            raise self._unwritable(error) from None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.jsonl"

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"{self._output}: cannot be written: {error.strerror or error}.")


def _shards(prompts: Iterable[Prompt]) -> Iterator[list[Prompt]]:
    iterator = iter(prompts)
    while shard := list(itertools.islice(iterator, SHARD)):
        yield shard


def _verdict(result: DetectionResult) -> list[Any]:
    found = result.predictions[0] if result.predictions else None
    return [
        result.is_threat,
        result.score,
        result.threshold,
        found.family if found else None,
        found.subfamily if found else None,
        result.processing_time_ms,
    ]


def _result(model_id: str, verdict: Sequence[Any]) -> DetectionResult:
    is_threat, score, threshold, family, subfamily, milliseconds = verdict
    predictions = () if family is None else (Prediction(family, subfamily, score),)
    scores = {"threat": score}
    return DetectionResult(model_id, is_threat, predictions, scores, threshold, milliseconds)


def _row(prompt: Prompt, verdict: Sequence[Any]) -> dict[str, Any]:
    """Return what the output says of a prompt; no times, so that equal runs give equal bytes."""
    is_threat, score, _, family, subfamily, _ = verdict
    return {
        "text": prompt.text,
        "label": int(prompt.is_threat),
        "family": prompt.family,
        "subfamily": prompt.subfamily,
        "score": score,
        "decision": int(is_threat),
        "predicted_family": family,
        "predicted_subfamily": subfamily,
    }

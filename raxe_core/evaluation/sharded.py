"""Judge prompts in shards: streamed in, written as they are done, taken up where they stopped.

A shard is ``SHARD`` prompts in the dataset's order, judged by every model. Its verdicts are written
in one step to ``OUTPUT.partial/``. The result does not depend on how often the run was interrupted,
nor on the number of processes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import shutil
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from raxe_core.detector import DetectionResult, Detector, Prediction
from raxe_core.errors import UsageError
from raxe_core.evaluation.batches import plan_batches
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.prompts import Prompt
from raxe_core.files import atomic_write, replacing

__all__ = ["BLOCK", "SHARD", "Judge", "Partial", "Team", "Verdicts", "judge", "judge_shards"]

BLOCK = 16
"""Prompts that a model judges in one turn, where several take turns."""
SHARD = 32 * BLOCK
Verdicts = list[list[Any]]
"""One list per prompt: is_threat, score, threshold, family, subfamily, milliseconds.

The last is None for a prompt that was judged in a batch: its time is no latency.
"""
Judge = Callable[[Sequence[str], Sequence[int]], Verdicts]
"""Judges texts, given the positions of those to judge alone."""
Team = Sequence[Judge]
"""One judge per model."""
_OURS = re.compile(r"run\.json|\d{8}\.jsonl|\.(?:run\.json|\d{8}\.jsonl)\..*")
"""What a run writes to its folder. One killed in its first or last moment leaves any part of it."""


def judge(
    detector: Detector, texts: Sequence[str], alone: Sequence[int] = (), batch_tokens: int = 0
) -> Verdicts:
    """Judge the texts at the positions ``alone`` one by one, others in batches of so many tokens.

    With 0 tokens all are judged alone. Verdicts are in the texts' order.
    """
    if not batch_tokens:
        alone = range(len(texts))
    elif alone:
        detector.analyze(texts[alone[0]])  # not timed: others had the processor meanwhile
    # In two steps: what follows an inference finds the processor's caches full of the model.
    results = [detector.analyze(texts[position]) for position in alone]
    found = {
        position: _verdict(result, result.processing_time_ms)
        for position, result in zip(alone, results, strict=True)
    }
    rest = [position for position in range(len(texts)) if position not in found]
    for batch in plan_batches([texts[position] for position in rest], batch_tokens):
        positions = [rest[at] for at in batch]
        results = detector.analyze_batch([texts[position] for position in positions])
        found.update(zip(positions, (_verdict(result, None) for result in results), strict=True))
    return [found[position] for position in range(len(texts))]


def judge_shards(
    model_ids: Sequence[str],
    prompts: Iterable[Prompt],
    teams: Sequence[Team],
    partial: Partial | None = None,
    on_shard: Callable[[int], None] = lambda _: None,
    timed: Sequence[int] | None = None,
) -> list[Judgements]:
    """Return each model's judgements of all prompts; a team works on one shard at a time.

    ``timed`` are the numbers of the prompts to judge alone, in order; None for all of them.
    At most two shards per team are in memory. Shards that ``partial`` holds are not judged again.
    """
    judged = [Judgements(model_id) for model_id in model_ids]
    free = deque(teams)
    with ThreadPoolExecutor(len(teams)) as pool:
        waiting: deque[tuple[list[Prompt], Future[list[Verdicts]]]] = deque()

        def run(number: int, shard: list[Prompt]) -> list[Verdicts]:
            if partial is not None and (known := partial.read(number, len(shard))) is not None:
                return known
            team, texts = free.popleft(), [prompt.text for prompt in shard]
            try:
                verdicts = _in_turns(team, texts, _alone(timed, number, len(shard)), number)
            finally:
                free.append(team)
            if partial is not None:
                partial.write(number, shard, verdicts)
            return verdicts

        def finish() -> None:
            shard, future = waiting.popleft()
            for judgements, verdicts in zip(judged, future.result(), strict=True):
                for prompt, verdict in zip(shard, verdicts, strict=True):
                    result = _result(judgements.model_id, verdict)
                    judgements.add(prompt, result, timed=verdict[-1] is not None)
            on_shard(len(shard))

        for number, shard in enumerate(_shards(prompts)):
            if len(waiting) >= 2 * len(teams):
                finish()
            waiting.append((shard, pool.submit(run, number, shard)))
        while waiting:
            finish()
    return judged


def _alone(timed: Sequence[int] | None, number: int, prompts: int) -> Sequence[int]:
    """Return which prompts of a shard are judged alone, as positions in it."""
    if timed is None:
        return range(prompts)
    first = number * SHARD
    here = timed[bisect_left(timed, first) : bisect_left(timed, first + prompts)]
    return [position - first for position in here]


def _in_turns(team: Team, texts: Sequence[str], alone: Sequence[int], seed: int) -> list[Verdicts]:
    """Let all judge the texts; several in blocks and random turns, so that load meets all alike."""
    if len(team) == 1:
        return [team[0](texts, alone)]
    found: list[Verdicts] = [[] for _ in team]
    turns, generator = list(range(len(team))), random.Random(seed)  # noqa: S311  # no secret
    for start in range(0, len(texts), BLOCK):
        generator.shuffle(turns)
        for turn in turns:
            block = texts[start : start + BLOCK]
            found[turn] += team[turn](block, range(len(block)))
    return found


class Partial:
    """The shards of an unfinished run, in a folder beside the output.

    ``key`` identifies what the verdicts depend on; with another key, nothing can be resumed.
    ``rows`` keeps a row per prompt beside the verdicts, for :meth:`join`.

    Raises:
        UsageError: the folder cannot be written, is somebody else's, or holds part of another run.
    """

    def __init__(
        self, output: Path, key: Mapping[str, Any], resume: bool, rows: bool = False
    ) -> None:
        self._output, self._rows = output, rows
        self._folder = output.with_name(f"{output.name}.partial")
        self._shards = 0
        key_path = self._folder / "run.json"
        content = json.dumps(key, sort_keys=True).encode("utf-8")
        self._key = hashlib.sha256(content).hexdigest()
        try:
            found = self._folder.iterdir() if self._folder.exists() else ()
            if not all(_OURS.fullmatch(path.name) for path in found):
                raise UsageError(
                    f"{self._folder}: is not the folder of an unfinished run, which belongs there. "
                    "Move it, or choose another output."
                )
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

    def read(self, number: int, prompts: int) -> list[Verdicts] | None:
        """Return each model's verdicts of a shard, if it was finished."""
        self._shards = max(self._shards, number + 1)
        try:
            with self._path(number).open(encoding="utf-8") as file:
                head = json.loads(file.readline())
                verdicts: list[Verdicts] = head["verdicts"]
                rows = sum(1 for _ in file)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = rows == prompts * self._rows and {*map(len, verdicts)} == {prompts}
        return verdicts if whole and head.get("run") == self._key else None

    def write(self, number: int, shard: Sequence[Prompt], verdicts: Sequence[Verdicts]) -> None:
        """Keep a shard that is finished: each model's verdicts, then the first model's rows."""
        lines = [json.dumps({"run": self._key, "verdicts": verdicts})]
        if self._rows:
            pairs = zip(shard, verdicts[0], strict=True)
            lines += [json.dumps(_row(prompt, verdict)) for prompt, verdict in pairs]
        try:
            atomic_write(self._path(number), ("\n".join(lines) + "\n").encode("utf-8"))
        except OSError as error:
            raise self._unwritable(error) from None

    def join(self) -> None:
        """Make the rows the output, and remove the folder."""
        try:
            with replacing(self._output) as temporary, temporary.open("wb") as out:
                for number in range(self._shards):
                    with self._path(number).open("rb") as file:
                        if json.loads(file.readline()).get("run") != self._key:
                            raise UsageError(
                                f"{self._output}: another run writes to it. Wait for its end."
                            )
                        shutil.copyfileobj(file, out)
        except OSError as error:
            raise self._unwritable(error) from None
        self.discard()

    def discard(self) -> None:
        """Remove the folder: the output is there."""
        try:
            shutil.rmtree(self._folder)
        except OSError as error:
            raise self._unwritable(error) from None

    def discard_empty(self) -> None:
        """Remove the folder if it holds no finished shard: there is nothing to go on with."""
        if not any(self._folder.glob("[0-9]*.jsonl")):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.jsonl"

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"{self._output}: cannot be written: {error.strerror or error}.")


def _shards(prompts: Iterable[Prompt]) -> Iterator[list[Prompt]]:
    iterator = iter(prompts)
    while shard := list(itertools.islice(iterator, SHARD)):
        yield shard


def _verdict(result: DetectionResult, milliseconds: float | None) -> list[Any]:
    found = result.predictions[0] if result.predictions else None
    return [
        result.is_threat,
        result.score,
        result.threshold,
        found.family if found else None,
        found.subfamily if found else None,
        milliseconds,
    ]


def _result(model_id: str, verdict: Sequence[Any]) -> DetectionResult:
    is_threat, score, threshold, family, subfamily, milliseconds = verdict
    predictions = () if family is None else (Prediction(family, subfamily, score),)
    scores = {"threat": score}
    return DetectionResult(model_id, is_threat, predictions, scores, threshold, milliseconds or 0)


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

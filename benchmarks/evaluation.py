"""What ``raxe models test`` costs around the inference: reading, tokenizing, figures, intervals.

Runs the command in this process on the standard prompts, repeated, and takes the CPU time inside
the runtime's ``session.run`` from that of the whole. With 0 tokens, all prompts are judged alone.

    python benchmarks/evaluation.py [MODEL] [--prompts 10000] [--batch-tokens 4096] [--json]
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnxruntime as ort
from turns import read_options

from raxe_core.cli.main import OBJECTS_BETWEEN_COLLECTIONS
from raxe_core.cli.main import main as command_line
from raxe_core.evaluation.batches import BATCH_TOKENS
from raxe_core.evaluation.datasets import standard_dataset


def write_prompts(path: Path, number: int) -> None:
    """Write so many prompts, all different."""
    prompts = itertools.cycle(standard_dataset().prompts)
    with path.open("w", encoding="utf-8") as file:
        for index, prompt in zip(range(number), prompts, strict=False):
            row = {"text": f"{prompt.text} {index}", "label": int(prompt.is_threat)}
            file.write(json.dumps({**row, "family": prompt.family}) + "\n")


def measure(model_id: str, prompts: int, batch_tokens: int) -> dict[str, float]:
    """Return CPU seconds of the whole command, and of the inference in it."""
    run, inside = ort.InferenceSession.run, 0.0

    def timed(self: Any, names: Any, feed: Any, options: Any = None) -> Any:
        nonlocal inside
        started = time.thread_time()  # not of the thread that reads and counts meanwhile
        values = run(self, names, feed, options)
        inside += time.thread_time() - started
        return values

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompts.jsonl"
        write_prompts(path, prompts)
        sys.argv = ["raxe", "models", "test", model_id, "--prompts", str(path)]
        sys.argv += ["--batch-tokens", str(batch_tokens)]
        ort.InferenceSession.run = timed
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)  # as the program does
        started = time.process_time()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                command_line()
        except SystemExit as error:
            if error.code:
                raise
        finally:
            ort.InferenceSession.run = run
        whole = time.process_time() - started
    return {"cpu_seconds": whole, "inference_cpu_seconds": inside}


def main() -> None:
    """Print the share."""
    options = read_options(__doc__, model=True, prompts=10_000, batch_tokens=BATCH_TOKENS)
    result = measure(options.model, options.prompts, options.batch_tokens)
    around = result["cpu_seconds"] - result["inference_cpu_seconds"]
    result["around_share"] = around / result["cpu_seconds"]
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{options.prompts:,} prompts in {result['cpu_seconds']:.1f} s of CPU time")
    print(f"around the inference: {around:.1f} s, {result['around_share']:.1%}")


if __name__ == "__main__":
    main()

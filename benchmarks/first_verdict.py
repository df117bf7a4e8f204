"""What the first verdict of a fresh process costs, against the shortest program that gives it.

``raxe scan TEXT`` is compared with a program that imports onnxruntime and tokenizers, loads the
model and its tokenizer from plain files with the same settings, judges the text once and prints
the score. It checks nothing: no checksum, no graph, no metadata. It starts numpy's threads for
matrix products, which the command line does not: with OPENBLAS_NUM_THREADS=1 neither does. Both
scores must agree. Memory is the PSS of a process that holds the model after one verdict.

    python benchmarks/first_verdict.py [MODEL] [--rounds 15] [--json]
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from turns import cpu_of_process, medians, read_options

from raxe_core import ModelRegistry, open_bundle

TEXT = "Please translate this sentence into French: the museum opens at nine."
BARE = """
import json, math, sys
import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

folder, text = sys.argv[1:]
with open(f"{folder}/head.json") as file:
    head = json.load(file)
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
settings = ort.SessionOptions()
settings.intra_op_num_threads = settings.inter_op_num_threads = 1
settings.enable_cpu_mem_arena = False
session = ort.InferenceSession(
    f"{folder}/model.onnx", settings, providers=["CPUExecutionProvider"]
)
ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
names = [node.name for node in session.get_inputs()]
(logits,) = session.run([head["tensor"]], {name: feed[name] for name in names})[0]
powers = [math.exp(value / head["temperature"]) for value in logits.tolist()]
score = powers[head["threat"]] / sum(powers)
"""
CLIENT = """
import sys
from raxe_core import Raxe

model_id, text = sys.argv[1:]
client = Raxe(model_id)
score = client.scan(text).score
"""
SCAN = """
from raxe_core.cli.main import program

program()
"""
SCORE = "print(score)"
PSS = """
with open("/proc/self/smaps_rollup") as file:
    print(next(line.split()[1] for line in file if line.startswith("Pss:")))
"""


def plain_files(model_id: str, folder: Path) -> None:
    """Write the model's files as the bare program reads them."""
    with open_bundle(ModelRegistry().get_model(model_id)) as bundle:
        head = bundle.manifest.outputs.binary
        if head.activation != "softmax" or len(head.threat_labels) != 1:
            sys.exit("The bare program reads models with one threat label and softmax.")
        for name in ("tokenizer.json", "model.onnx"):
            (folder / name).write_bytes(bundle.read(name))
    described = {
        "tensor": head.tensor,
        "temperature": head.temperature,
        "threat": head.labels.index(head.threat_labels[0]),
    }
    (folder / "head.json").write_text(json.dumps(described))


def printed(command: Sequence[str]) -> float:
    """Return the number that a command prints."""
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def wall_of_process(command: Sequence[str]) -> float:
    """Return the wall seconds of one run of ``command``."""
    started = time.perf_counter()
    cpu_of_process(command)
    return time.perf_counter() - started


def measure(model_id: str, folder: Path, rounds: int) -> dict[str, float]:
    """Return medians: CPU and wall seconds, and PSS in MB, of both programs."""
    plain_files(model_id, folder)
    python = [sys.executable, "-c"]
    scan = [*python, SCAN, "scan", "--model", model_id, TEXT]
    bare = [str(folder), TEXT]
    scores = (
        printed([*python, BARE + SCORE, *bare]),
        printed([*python, CLIENT + SCORE, model_id, TEXT]),
    )
    if not math.isclose(*scores, abs_tol=1e-6):
        sys.exit(f"The scores differ: {scores}")
    return medians(
        {
            "bare_cpu": lambda: cpu_of_process([*python, BARE + SCORE, *bare]),
            "raxe_cpu": lambda: cpu_of_process(scan),
            "bare_wall": lambda: wall_of_process([*python, BARE + SCORE, *bare]),
            "raxe_wall": lambda: wall_of_process(scan),
            "bare_mb": lambda: printed([*python, BARE + PSS, *bare]) * 1_024 / 1e6,
            "raxe_mb": lambda: printed([*python, CLIENT + PSS, model_id, TEXT]) * 1_024 / 1e6,
        },
        rounds,
    )


def main() -> None:
    """Print the ratios."""
    options = read_options(__doc__, model=True, rounds=15)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.model, Path(folder), options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for clock in ("cpu", "wall"):
        bare, raxe = found[f"bare_{clock}"], found[f"raxe_{clock}"]
        times = f"bare {bare * 1e3:.0f} ms, raxe scan {raxe * 1e3:.0f} ms"
        print(f"{clock:>4}: {times}, {raxe / bare:.2f}x")
    more = found["raxe_mb"] - found["bare_mb"]
    print(f"PSS: bare {found['bare_mb']:.0f} MB, raxe {found['raxe_mb']:.0f} MB, {more:+.1f} MB")


if __name__ == "__main__":
    main()

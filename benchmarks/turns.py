"""What the programs here share: options, and candidates that take turns, whose medians count.

Other work on the machine then slows all candidates alike, and their ratios hold. CPU time is the
time of all threads of a process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from raxe_core.bundle import pack
from raxe_core.discovery import bundle_filename

__all__ = ["cpu_of_calls", "cpu_of_process", "drop_in_models", "medians", "read_options"]


def read_options(documentation: str, *, model: bool = False, **numbers: int) -> argparse.Namespace:
    """Read ``--json``, an option for each of ``numbers``, and with ``model`` which one to run.

    The first line of ``documentation`` is the help.
    """
    parser = argparse.ArgumentParser(description=documentation.partition("\n")[0])
    if model:
        parser.add_argument("model", nargs="?", default="v1.0_onnx_int8")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def medians(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median of what each way measures, in random order each round, after one round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in random.sample(list(ways), len(ways)):
            value = ways[name]()
            if number:  # the first round compiles modules, warms files and writes indices
                found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def cpu_of_calls(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each call, of all threads of this process."""

    def timed(call: Callable[[], Any]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    return medians({name: partial(timed, call) for name, call in calls.items()}, rounds)


def cpu_of_process(command: Sequence[str], home: Path | None = None) -> float:
    """Return the CPU seconds (user and system) of one run of ``command``."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled
    if home is not None:
        environment["RAXE_HOME"] = str(home)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def drop_in_models(home: Path, number: int) -> None:
    """Fill the drop-in folder of a home with models that can be listed, each with figures."""
    source, folder = home / "source", home / "models"
    for path in (source, folder / "metadata"):
        path.mkdir(parents=True)
    heads = {"binary": {"tensor": "x", "labels": ["benign", "threat"], "threat_labels": ["threat"]}}
    manifest = {
        "format_version": 1,
        "metadata": {"model_id": "v1_x", "name": "Model", "version": "1", "variant": "x"},
        "outputs": heads,
    }
    (source / "manifest.json").write_text(json.dumps(manifest))
    (source / "model.onnx").write_bytes(b"weights")
    data = pack(source)[1]
    for count in range(number):
        model_id = f"v1.{count}_x"
        (folder / bundle_filename(model_id)).write_bytes(data)
        sidecar = {
            "model_id": model_id,
            "name": f"Model {count}",
            "version": f"1.{count}",
            "performance": {
                "p95_latency_ms": 1.5 + 37 * count % 100,
                "memory_mb": 50.5 + 41 * count % 450,
            },
            "accuracy": {
                "binary_f1": 0.5 + 43 * count % 499 / 1_000,
                "false_positive_rate": 47 * count % 97 / 1_000,
            },
        }
        (folder / "metadata" / f"{model_id}.json").write_text(json.dumps(sidecar))

"""What looking a model up and choosing the best of many costs, in a process that has them.

Calls are timed in CPU time, in turns; ``the best`` meets three constraints and is the highest by
the criteria ``balanced``.

    python benchmarks/selecting.py [--models 1000] [--rounds 50] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turns import drop_in_models, medians

from raxe_core import ModelRegistry

CONSTRAINTS = ("p95_latency_ms<50", "memory_mb<300", "f1>0.6")
LOOKUPS = 1_000


def timed(call: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that gives the CPU seconds of one call."""

    def measure() -> float:
        started = time.thread_time()
        call()
        return time.thread_time() - started

    return measure


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RAXE_HOME"] = folder
        drop_in_models(Path(folder), options.models)
        registry = ModelRegistry()
        ids = [model.model_id for model in registry.list_models()][:LOOKUPS]

        def look_up() -> None:
            for model_id in ids:
                registry.get_model(model_id)

        seconds = medians(
            {
                "get_model": timed(look_up),
                "the best": timed(lambda: registry.get_best_model("balanced", CONSTRAINTS)),
            },
            options.rounds,
        )
    found = {
        "models": options.models,
        "get_model_us": seconds["get_model"] / len(ids) * 1e6,
        "best_ms": seconds["the best"] * 1e3,
    }
    if options.json:
        print(json.dumps(found))
        return
    print(f"get_model: {found['get_model_us']:.2f} us CPU")
    print(f"best of {options.models:,} under three constraints: {found['best_ms']:.2f} ms CPU")


if __name__ == "__main__":
    main()

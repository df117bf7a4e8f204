"""What looking a model up and choosing the best of many costs, in a process that has them.

Calls are timed in CPU time, in turns; ``the best`` meets three constraints and is the highest by
the criteria ``balanced``.

    python benchmarks/selecting.py [--models 1000] [--rounds 50] [--json]
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from turns import cpu_of_calls, drop_in_models, read_options

from raxe_core import ModelRegistry

CONSTRAINTS = ("p95_latency_ms<50", "memory_mb<300", "f1>0.6")
LOOKUPS = 1_000


def main() -> None:
    """Print the times."""
    options = read_options(__doc__, models=1_000, rounds=50)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RAXE_HOME"] = folder
        drop_in_models(Path(folder), options.models)
        registry = ModelRegistry()
        ids = [model.model_id for model in registry.list_models()][:LOOKUPS]

        def look_up() -> None:
            for model_id in ids:
                registry.get_model(model_id)

        seconds = cpu_of_calls(
            {
                "get_model": look_up,
                "the best": lambda: registry.get_best_model("balanced", CONSTRAINTS),
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

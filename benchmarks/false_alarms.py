"""How often the benchmark's self-check errs: alarms without a difference, and misses of +10%.

Each run is a whole ``raxe models benchmark --self-check`` in fresh processes, with a seed of its
own. An alarm is a difference of a model from itself; the self-check decides at 99%.

    python benchmarks/false_alarms.py [MODEL] [--runs 200] [--iterations 480] [--json]
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from typing import Any

from turns import read_options

from raxe_core.benchmark.measure import Plan
from raxe_core.benchmark.self_check import self_check
from raxe_core.evaluation.statistics import wilson


def measure(model_id: str, runs: int, iterations: int) -> dict[str, Any]:
    """Return both rates with their 95% intervals, and the ratios that were seen."""
    plans = (Plan(iterations=iterations, seed=seed) for seed in range(runs))
    reports = [self_check(model_id, plan, _silently) for plan in plans]
    alarms = [report["same"]["verdict"] in ("faster", "slower") for report in reports]
    found = [report["slowed"]["verdict"] == "slower" for report in reports]
    return {
        "model_id": model_id,
        "runs": runs,
        "rounds": reports[0]["rounds"],
        "false_alarms": sum(alarms),
        "false_alarm_interval": wilson(sum(alarms), runs),
        "detected": sum(found),
        "detected_interval": wilson(sum(found), runs),
        "ratios": {name: _ratios(reports, name) for name in ("same", "slowed")},
    }


def _ratios(reports: list[dict[str, Any]], name: str) -> dict[str, float]:
    ratios = [report[name]["cpu"]["ratio"] for report in reports]
    return {"least": min(ratios), "median": statistics.median(ratios), "most": max(ratios)}


def _silently(items: Iterable[int], _: str) -> Iterable[int]:
    return items


def main() -> None:
    """Print the rates."""
    options = read_options(__doc__, model=True, runs=200, iterations=480)
    result = measure(options.model, options.runs, options.iterations)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for words, name in (("false alarms", "false_alarm"), ("+10% found", "detected")):
        count = result["detected" if name == "detected" else "false_alarms"]
        low, high = result[f"{name}_interval"]
        print(f"{words}: {count} of {options.runs} ({low:.1%} to {high:.1%})")
    for name, ratios in result["ratios"].items():
        print(f"CPU time ratio, {name}: {', '.join(f'{k} {v:.3f}' for k, v in ratios.items())}")


if __name__ == "__main__":
    main()

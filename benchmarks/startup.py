"""What starting ``raxe`` costs, as a ratio to an empty Python program.

Commands are run in turn, in interleaved rounds; each figure is the CPU time (user + system) of the
whole process. Ratios of medians are printed: they hold on a busy machine, milliseconds do not.

    python benchmarks/startup.py [--rounds 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys

EMPTY = "python -c pass"
BUDGETS = {"raxe --version": 5.0, "raxe models list": 9.0}


def cpu_seconds(command: list[str]) -> float:
    """Return the CPU time of one run of ``command``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> dict[str, float]:
    """Return the median CPU time of each command, in seconds."""
    raxe = shutil.which("raxe") or sys.exit("raxe is not installed: pip install .")
    commands = {
        EMPTY: [sys.executable, "-c", "pass"],
        "import click": [sys.executable, "-c", "import click"],
        "import click, rich.table": [sys.executable, "-c", "import click, rich.table"],
        "raxe --version": [raxe, "--version"],
        "raxe --help": [raxe, "--help"],
        "raxe models list": [raxe, "models", "list"],
        "raxe plugins list": [raxe, "plugins", "list"],
    }
    for command in commands.values():  # compiled modules, warm files, a written index
        cpu_seconds(command)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(cpu_seconds(command))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    medians = measure(options.rounds)
    ratios = {name: median / medians[EMPTY] for name, median in medians.items()}
    if options.json:
        print(json.dumps({"ratios": ratios, "cpu_seconds": medians}, indent=2))
        return
    for name, ratio in ratios.items():
        budget = f"  (budget {BUDGETS[name]:.0f}x)" if name in BUDGETS else ""
        print(f"{name:<28}{medians[name] * 1e3:7.1f} ms CPU {ratio:6.1f}x{budget}")


if __name__ == "__main__":
    main()

"""What starting ``raxe`` costs, as a ratio to an empty Python program.

Commands take turns in rounds; each figure is the CPU time (user + system) of the whole process.
Ratios of medians are printed: they hold on a busy machine, milliseconds do not.

    python benchmarks/startup.py [--rounds 15] [--json]
"""

from __future__ import annotations

import functools
import json
import shutil
import sys

from turns import cpu_of_process, medians, read_options

EMPTY = "python -c pass"
BUDGETS = {"raxe --version": 5.0, "raxe models list": 9.0}


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
    ways = {name: functools.partial(cpu_of_process, line) for name, line in commands.items()}
    return medians(ways, rounds)


def main() -> None:
    """Print the table."""
    options = read_options(__doc__, rounds=15)
    found = measure(options.rounds)
    ratios = {name: median / found[EMPTY] for name, median in found.items()}
    if options.json:
        print(json.dumps({"ratios": ratios, "cpu_seconds": found}, indent=2))
        return
    for name, ratio in ratios.items():
        budget = f"  (budget {BUDGETS[name]:.0f}x)" if name in BUDGETS else ""
        print(f"{name:<28}{found[name] * 1e3:7.1f} ms CPU {ratio:6.1f}x{budget}")


if __name__ == "__main__":
    main()

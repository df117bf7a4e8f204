"""What ``raxe models list`` costs with many drop-in models, with an index and without one.

Each figure is the CPU time of a whole process. With an index it is compared with a program that
imports click and rich's tables and prints nothing; without one, with a program that reads every
manifest and every sidecar and parses them.

    python benchmarks/listing.py [--models 1000] [--rounds 15] [--json]
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from turns import cpu_of_process, drop_in_models, medians, read_options

IMPORTS = "import click, rich.table"
READS = """
import json, sys, zipfile
from pathlib import Path
folder = Path(sys.argv[1])
for path in folder.glob("*.raxe"):
    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read("manifest.json"))
for path in (folder / "metadata").glob("*.json"):
    json.loads(path.read_bytes())
"""


def measure(home: Path, many: Path, rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each program; ``many`` has ten times the models."""
    raxe = shutil.which("raxe") or sys.exit("raxe is not installed: pip install .")
    listing = [raxe, "models", "list"]

    def without_index() -> float:
        shutil.rmtree(home / "cache", ignore_errors=True)
        return cpu_of_process(listing, home)

    def with_index() -> float:
        cpu_of_process(listing, home)
        return cpu_of_process(listing, home)

    return medians(
        {
            "import click, rich.table": lambda: cpu_of_process([sys.executable, "-c", IMPORTS]),
            "list with an index": with_index,
            "list ten times as many": lambda: cpu_of_process(listing, many),
            "read and parse all": lambda: cpu_of_process(
                [sys.executable, "-c", READS, str(home / "models")]
            ),
            "list without an index": without_index,
        },
        rounds,
    )


def main() -> None:
    """Print the ratios."""
    options = read_options(__doc__, models=1_000, rounds=15)
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder, "home"), Path(folder, "many")
        drop_in_models(homes[0], options.models)
        drop_in_models(homes[1], 10 * options.models)
        found = measure(*homes, options.rounds)
    warm, cold = found["list with an index"], found["list without an index"]
    ratios = {
        "with_index_over_imports": warm / found["import click, rich.table"],
        "ten_times_as_many_over_one": found["list ten times as many"] / warm,
        "without_index_over_reading": cold / found["read and parse all"],
    }
    if options.json:
        print(json.dumps({"models": options.models, "ratios": ratios, "cpu_seconds": found}))
        return
    for name, seconds in found.items():
        print(f"{name:<28}{seconds * 1e3:8.1f} ms CPU")
    print(f"with an index, over the imports:       {ratios['with_index_over_imports']:.2f}x")
    print(f"ten times the models, over one time:   {ratios['ten_times_as_many_over_one']:.2f}x")
    print(f"without an index, over reading:        {ratios['without_index_over_reading']:.2f}x")


if __name__ == "__main__":
    main()

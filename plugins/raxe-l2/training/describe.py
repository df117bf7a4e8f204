"""Write a bundle's sidecar metadata from what RAXE itself measured: ``python describe.py --help``.

    raxe models test MODEL --json > test.json
    raxe models benchmark MODEL --output benchmark.json
    python describe.py --bundle BUNDLE --test test.json --benchmark benchmark.json

No figure is typed in: accuracy comes from the one report, performance from the other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from raxe_core import Bundle
from raxe_core.benchmark.run import figures_of
from raxe_core.metadata import ModelMetadata, structure, unstructure

ACCURACY = {
    "binary_f1": "f1",
    "family_f1": "family_f1",
    "subfamily_f1": "subfamily_f1",
    "false_positive_rate": "false_positive_rate",
    "false_negative_rate": "false_negative_rate",
}
"""Field of the metadata -> key of the report of ``raxe models test``."""


def sidecar(bundle_path: Path, test: dict[str, Any], benchmark: dict[str, Any]) -> dict[str, Any]:
    """The complete metadata of a bundle, as JSON types.

    Raises:
        SystemExit: a report is about another model.
    """
    with Bundle(bundle_path) as bundle:
        metadata, checksum = dict(bundle.metadata_json), bundle.digest()
    model_id = metadata["model_id"]
    contended = benchmark["environment"]["contended"]
    rows = [row for row in benchmark["models"] if row["model_id"] == model_id]
    if test["model_id"] != model_id or not rows:
        raise SystemExit(f"The reports do not measure {model_id}.")
    metadata["file_info"] = {
        "filename": bundle_path.name,
        "size_mb": round(bundle_path.stat().st_size / 1e6, 2),
        "checksum": checksum,
    }
    metadata["accuracy"] = {field: round(test[key], 4) for field, key in ACCURACY.items()}
    metadata["performance"] = {
        **metadata.get("performance", {}),
        **{name: round(value, 3) for name, value in figures_of(rows[0], contended).items()},
    }
    return unstructure(structure(metadata, ModelMetadata, str(bundle_path)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True, help="report of raxe models test")
    parser.add_argument("--benchmark", type=Path, required=True, help="report of the benchmark")
    arguments = parser.parse_args()
    found = sidecar(
        arguments.bundle,
        json.loads(arguments.test.read_text()),
        json.loads(arguments.benchmark.read_text()),
    )
    folder = arguments.bundle.parent / "metadata"
    folder.mkdir(exist_ok=True)
    path = folder / f"{found['model_id']}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{path}: {found['accuracy']} {found['performance']}")


if __name__ == "__main__":
    main()

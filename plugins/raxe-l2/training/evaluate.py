"""Raw evaluation on the validation files: ``python evaluate.py --help``.

Prints a table with one line per file and pooled lines, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from data import Row, read_validation
from metrics import Floats, recall_at_fpr, roc_auc, wilson
from probes import probe_sets
from scoring import Scorer, onnx_scorer, score_texts, torch_scorer
from student import load_any

NOT_ENGLISH = "multilingual"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table. Rates at the shipped threshold carry 95% Wilson intervals."""

    name: str
    benign: int
    attacks: int
    auc: float
    recall_1: float
    recall_5: float
    false_positives: int
    true_positives: int

    def text(self) -> str:
        """The line as Markdown."""
        cells = [self.name, str(self.benign), str(self.attacks)]
        cells += [
            "-" if np.isnan(v) else f"{v:.3f}" for v in (self.auc, self.recall_1, self.recall_5)
        ]
        cells.append(rate(self.true_positives, self.attacks))
        cells.append(rate(self.false_positives, self.benign))
        return "| " + " | ".join(cells) + " |"


def rate(hits: int, total: int) -> str:
    """A share with its interval, in per cent."""
    if total == 0:
        return "-"
    low, high = wilson(hits, total)
    return f"{100 * hits / total:.1f} ({100 * low:.1f}-{100 * high:.1f})"


HEADER = (
    "| file | benign | attacks | AUC | recall at 1% FPR | recall at 5% FPR "
    "| recall at threshold, % | FPR at threshold, % |\n|---|---|---|---|---|---|---|---|"
)


def line(name: str, scores: Floats, labels: Floats, threshold: float) -> Line:
    """The measures of one file or pool."""
    flagged = scores >= threshold
    return Line(
        name=name,
        benign=int((labels == 0).sum()),
        attacks=int((labels == 1).sum()),
        auc=roc_auc(scores, labels),
        recall_1=recall_at_fpr(scores, labels, 0.01),
        recall_5=recall_at_fpr(scores, labels, 0.05),
        false_positives=int((flagged & (labels == 0)).sum()),
        true_positives=int((flagged & (labels == 1)).sum()),
    )


def table(scores: dict[str, Floats], labels: dict[str, Floats], threshold: float) -> list[Line]:
    """A line per file, one for all English files and one for all files."""
    lines = [line(name, scores[name], labels[name], threshold) for name in scores]
    pools = {
        "pooled, English": [name for name in scores if name != NOT_ENGLISH],
        "pooled, all": list(scores),
    }
    for title, names in pools.items():
        pooled = [np.concatenate([part[n] for n in names]) for part in (scores, labels)]
        lines.append(line(title, pooled[0], pooled[1], threshold))
    return lines


def family_lines(
    files: dict[str, list[Row]], scores: dict[str, Floats], threshold: float
) -> list[Line]:
    """A line per attack family, over all files: recall only."""
    rows = [row for part in files.values() for row in part]
    values = np.concatenate(list(scores.values()))
    lines = []
    for family in sorted({row.family for row in rows if row.label}):
        chosen = values[[row.family == family for row in rows]]
        lines.append(line(f"family {family}", chosen, np.ones(len(chosen)), threshold))
    return lines


def score_files(
    files: dict[str, list[Row]], scorer: Scorer, temperature: float
) -> dict[str, Floats]:
    """Threat probabilities per file."""
    return {
        name: score_texts([row.text for row in rows], scorer).probability(temperature)
        for name, rows in files.items()
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--weights", type=Path, help="model.pt of a run")
    parser.add_argument("--onnx", type=Path, help="model.onnx of a bundle folder")
    parser.add_argument("--calibration", type=Path, help="calibration.json; else 1.0 and 0.5")
    parser.add_argument("--bf16", action="store_true", help="quick look in bf16")
    parser.add_argument("--probes", action="store_true", help="long documents and encoded text too")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.onnx:
        scorer = onnx_scorer(arguments.onnx)
    else:
        dtype = torch.bfloat16 if arguments.bf16 else torch.float32
        scorer = torch_scorer(load_any(arguments.weights), dtype)
    found = json.loads(arguments.calibration.read_text()) if arguments.calibration else {}
    files = read_validation(arguments.data)
    labels = {n: np.array([r.label for r in rows], np.float64) for n, rows in files.items()}
    temperature, threshold = found.get("temperature", 1.0), found.get("threshold", 0.5)
    scores = score_files(files, scorer, temperature)
    lines = table(scores, labels, threshold) + family_lines(files, scores, threshold)
    if arguments.probes:
        probes = probe_sets(arguments.data, files)
        probe_scores = score_files(probes, scorer, temperature)
        for name, values in probe_scores.items():
            truth = np.array([row.label for row in probes[name]], np.float64)
            lines.append(line(f"probe {name}", values, truth, threshold))
    print(HEADER, *(item.text() for item in lines), sep="\n")
    record = {"lines": [dataclasses.asdict(item) for item in lines]}
    record["scores"] = {name: [round(float(v), 6) for v in s] for name, s in scores.items()}
    arguments.out.write_text(json.dumps(record))


if __name__ == "__main__":
    main()

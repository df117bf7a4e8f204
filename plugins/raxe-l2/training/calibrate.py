"""Temperatures and threshold from rows training never saw: ``python calibrate.py --help``.

Each head's temperature minimises the negative log likelihood (Guo et al. 2017, "On Calibration of
Modern Neural Networks"). The threshold is the lowest with at
most 0.4% false positives.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import Row, read_corpora, split
from metrics import Floats, recall_at_fpr, threshold_at_fpr
from recipe import FAMILIES, SUBFAMILIES, Recipe
from scoring import Scores, score_texts, torch_scorer
from student import load_any

FALSE_POSITIVE_RATE = 0.004
"""Less than the 1% aimed at: texts of other sources draw two to five times the false positives."""
ROWS = 6_000
GRID = np.exp(np.linspace(np.log(0.25), np.log(8.0), 200))
"""Temperatures tried."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What the manifest needs, and what it was measured on."""

    temperature: float
    family_temperature: float
    subfamily_temperature: float
    threshold: float
    benign_rows: int
    attack_rows: int
    recall: float


def negative_log_likelihood(
    logits: Floats, targets: NDArray[np.int64], temperature: float
) -> float:
    """Mean -log softmax(logits / temperature)[target] for logits [rows, labels]."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(1))
    return float((log_sum - scaled[np.arange(len(targets)), targets]).mean())


def best_temperature(logits: Floats, targets: NDArray[np.int64]) -> float:
    """The temperature of ``GRID`` with the lowest negative log likelihood."""
    losses = [negative_log_likelihood(logits, targets, float(t)) for t in GRID]
    return round(float(GRID[int(np.argmin(losses))]), 4)


def calibrate(rows: list[Row], scores: Scores) -> Calibration:
    """Temperatures of the three heads and the threshold on the binary probability."""
    labels = np.array([row.label for row in rows])
    attacks = labels == 1
    binary = np.stack([np.zeros(len(rows)), scores.margin], 1)
    temperature = best_temperature(binary, labels)
    family = np.array([FAMILIES.index(r.family) for r in rows if r.label])
    subfamily = np.array([SUBFAMILIES.index(r.kind) for r in rows if r.label])
    probability = scores.probability(temperature)
    truth = labels.astype(np.float64)
    return Calibration(
        temperature=temperature,
        family_temperature=best_temperature(scores.family[attacks].astype(np.float64), family),
        subfamily_temperature=best_temperature(
            scores.subfamily[attacks].astype(np.float64), subfamily
        ),
        threshold=round(threshold_at_fpr(probability, truth, FALSE_POSITIVE_RATE) + 5e-5, 4),
        benign_rows=int((~attacks).sum()),
        attack_rows=int(attacks.sum()),
        recall=recall_at_fpr(probability, truth, FALSE_POSITIVE_RATE),
    )


def calibration_rows(data: Path, recipe: Recipe) -> list[Row]:
    """A seeded sample of the rows that training left out."""
    rows = split(read_corpora(data, recipe.corpora.split(",")), recipe.calibration_share)[1]
    return random.Random(recipe.seed + 6).sample(rows, min(ROWS, len(rows)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--run", type=Path, required=True, help="folder that train.py wrote")
    arguments = parser.parse_args()
    rows = calibration_rows(arguments.data, Recipe())
    scores = score_texts([r.text for r in rows], torch_scorer(load_any(arguments.run / "model.pt")))
    result = calibrate(rows, scores)
    (arguments.run / "calibration.json").write_text(
        json.dumps(dataclasses.asdict(result), indent=1)
    )
    print(result)


if __name__ == "__main__":
    main()

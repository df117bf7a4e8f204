"""Find hard benign training texts with a first model: ``python mine.py --help``.

Scores a sample of the benign training rows and writes the texts that look most like attacks to
it. ``train.py --hard`` then draws a share of its examples from them. Validation is not touched.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import torch

from data import Row, read_corpora, split
from model import load
from recipe import Recipe
from scoring import score_texts, torch_scorer

MAX_CHARS = 600


def sample(rows: list[Row], count: int, recipe: Recipe) -> list[Row]:
    """Benign rows to look at, short enough to be scored quickly."""
    benign = [row for row in rows if row.label == 0 and len(row.text) <= MAX_CHARS]
    return random.Random(recipe.seed + 4).sample(benign, min(count, len(benign)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--weights", type=Path, required=True, help="model.pt of the first model")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--sample", type=int, default=12_000, help="rows to look at")
    parser.add_argument("--kept", type=int, default=1_200, help="rows to keep")
    arguments = parser.parse_args()
    recipe = Recipe()
    rows = read_corpora(arguments.data, recipe.corpora.split(","))
    benign = sample(split(rows, recipe.calibration_share)[0], arguments.sample, recipe)
    scorer = torch_scorer(load(arguments.weights), torch.bfloat16)
    margins = score_texts([row.text for row in benign], scorer).margin
    order = np.argsort(-margins)[: arguments.kept]
    hard = [dataclasses.asdict(benign[i]) for i in order]
    arguments.out.write_text(json.dumps(hard))
    highest, lowest = margins[order[0]], margins[order[-1]]
    print(f"{len(hard)} of {len(benign)}: margins {highest:.2f} to {lowest:.2f}")


if __name__ == "__main__":
    main()

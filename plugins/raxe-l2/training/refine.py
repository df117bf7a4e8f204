"""Refine a trained model: ``python refine.py --help``.

It learns from the mean of its teachers' calibrated log-odds (an ensemble that is better than each
of them, Hinton et al. 2015), from labels, and from the authored pairs, where labels alone count.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from augment import augment
from batches import Batch, Item, plan, to_items
from data import Row, draw, read_authored, read_corpora, split
from model import Detector
from recipe import REFINEMENTS, Recipe, add_arguments, from_arguments
from student import frozen, load_any
from train import with_hard, write_facts
from trainer import Loss, Trainer

Teacher = tuple[Detector, float]
"""A model and the temperature that its calibration found."""


def log_odds(outputs: dict[str, Tensor], temperature: float) -> Tensor:
    """Calibrated log-odds of a threat [batch]."""
    return (outputs["binary"][:, 1] - outputs["binary"][:, 0]) / temperature


def refinement_loss(teachers: Sequence[Teacher], temperature: float, recipe: Recipe) -> Loss:
    """Cross entropy with targets between the teachers' probability and the label.

    ``temperature`` is the refined model's own at the start. Kinds are learned from labels.
    """

    def loss(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        with torch.no_grad():
            found = [log_odds(m(batch.input_ids, batch.attention_mask), t) for m, t in teachers]
            taught = torch.stack(found).mean(0).sigmoid()
        certain = batch.targets["certain"].to(taught.dtype)
        labels = batch.targets["binary"].to(taught.dtype)
        smooth = labels * (1.0 - recipe.label_smoothing) + 0.5 * recipe.label_smoothing
        weight = torch.maximum(certain, torch.full_like(certain, recipe.label_weight))
        targets = weight * smooth + (1.0 - weight) * taught
        own = log_odds(outputs, temperature)
        total = binary_cross_entropy_with_logits(own, targets, reduction="sum")
        for name in ("family", "subfamily"):
            kind = cross_entropy(outputs[name], batch.targets[name], reduction="sum")
            total = total + recipe.kind_loss_weight * kind
        return total

    return loss


def in_turns(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """``count`` rows, each as often as the others."""
    drawn: list[Row] = []
    while len(drawn) < count:
        drawn.extend(rng.sample(rows, min(len(rows), count - len(drawn))))
    return drawn


def examples(data: Path, init: Path, out: Path, recipe: Recipe, hard: Path) -> list[Item]:
    """Drawn rows of the corpora and authored ones, augmented.

    Their counts go to ``run.json``, with what stands there of the run to start from.
    """
    rows, _ = split(read_corpora(data, recipe.corpora.split(",")), recipe.calibration_share)
    authored, _ = split(read_authored(), recipe.calibration_share)
    written = round(recipe.examples * recipe.authored_share)
    drawn = with_hard(draw(rows, recipe.examples - written, recipe), hard, recipe)
    drawn += in_turns(authored, written, random.Random(recipe.seed + 7))
    items = to_items(augment(drawn, rows, recipe), recipe)
    refined = json.loads((init / "run.json").read_text())
    write_facts(out, recipe, len(rows) + len(authored), items, refines=refined)
    return items


def teacher(run: Path) -> Teacher:
    """The model of a calibrated run."""
    temperature = json.loads((run / "calibration.json").read_text())["temperature"]
    return frozen(load_any(run / "model.pt")), temperature


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--init", type=Path, required=True, help="calibrated run to start from")
    parser.add_argument("--teachers", type=Path, nargs="+", required=True, help="calibrated runs")
    parser.add_argument("--hard", type=Path, required=True, help="hard benign rows, from mine.py")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--model", choices=list(REFINEMENTS), required=True, help="which recipe")
    add_arguments(parser)
    arguments = parser.parse_args()
    recipe = from_arguments(arguments.set, REFINEMENTS[arguments.model])
    items = examples(arguments.data, arguments.init, arguments.out, recipe, arguments.hard)
    batches = plan(items, recipe)
    _, temperature = teacher(arguments.init)
    detector = load_any(arguments.init / "model.pt")
    detector.bert.embeddings.requires_grad_(recipe.tuned_embeddings)
    loss = refinement_loss([teacher(run) for run in arguments.teachers], temperature, recipe)
    trainer = Trainer(detector, loss, recipe, len(batches))
    trainer.run(items, batches, arguments.out / "model.pt")


if __name__ == "__main__":
    main()

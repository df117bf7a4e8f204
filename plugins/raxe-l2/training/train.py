"""Fine-tune the encoder and the heads: ``python train.py --data DIR --out RUN``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from augment import augment
from batches import Batch, Item, plan, to_items
from data import Row, draw, read_corpora, split
from model import load, pretrained
from recipe import STAGES, Recipe, add_arguments, from_arguments
from trainer import Loss, Trainer


def supervised_loss(recipe: Recipe) -> Loss:
    """Smoothed binary cross entropy, plus the cross entropy of the kind heads on attacks."""

    def loss(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        total = cross_entropy(
            outputs["binary"],
            batch.targets["binary"],
            label_smoothing=recipe.label_smoothing,
            reduction="sum",
        )
        for name in ("family", "subfamily"):
            kind = cross_entropy(outputs[name], batch.targets[name], reduction="sum")
            total = total + recipe.kind_loss_weight * kind
        return total

    return loss


def with_hard(drawn: list[Row], hard: Path, recipe: Recipe) -> list[Row]:
    """The drawn rows, a share of them replaced by rows that ``mine.py`` found."""
    rng = random.Random(recipe.seed + 5)
    rows = [Row(**record) for record in json.loads(hard.read_text())]
    return [rng.choice(rows) if rng.random() < recipe.hard_share else row for row in drawn]


def examples(data: Path, out: Path, recipe: Recipe, hard: Path | None = None) -> list[Item]:
    """Drawn, augmented and tokenised examples; their counts go to ``run.json``."""
    rows, _ = split(read_corpora(data, recipe.corpora.split(",")), recipe.calibration_share)
    drawn = draw(rows, recipe.examples, recipe)
    if hard is not None:
        drawn = with_hard(drawn, hard, recipe)
    items = to_items(augment(drawn, rows, recipe), recipe)
    write_facts(out, recipe, len(rows), items)
    return items


def write_facts(out: Path, recipe: Recipe, rows: int, items: list[Item], **more: object) -> None:
    """Write ``run.json``: the recipe, the rows it drew from, the examples and tokens made."""
    facts = {"rows": rows, "examples": len(items), "tokens": sum(len(i.ids) for i in items)}
    out.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(recipe) | facts | more
    (out / "run.json").write_text(json.dumps(record, indent=1))
    print(facts, flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--init", type=Path, help="start from this model.pt, not from MiniLM")
    parser.add_argument("--hard", type=Path, help="hard benign rows, from mine.py")
    parser.add_argument("--stage", choices=list(STAGES), default="final", help="which recipe")
    add_arguments(parser)
    arguments = parser.parse_args()
    recipe = from_arguments(arguments.set, STAGES[arguments.stage])
    items = examples(arguments.data, arguments.out, recipe, arguments.hard)
    batches = plan(items, recipe)
    torch.manual_seed(recipe.seed)
    detector = load(arguments.init) if arguments.init else pretrained()
    trainer = Trainer(detector, supervised_loss(recipe), recipe, len(batches))
    trainer.run(items, batches, arguments.out / "model.pt")


if __name__ == "__main__":
    main()

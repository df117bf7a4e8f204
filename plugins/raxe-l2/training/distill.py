"""Distil a trained model into the small one: ``python distill.py --help``.

The student learns the teacher's probabilities of all three heads (Hinton et al. 2015, with
temperature 2) and its embedding, on the same kind of examples the teacher saw but another draw of
them. Labels play no part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from batches import Batch, plan
from model import HEAD_SIZES, Detector, load
from recipe import DISTILLATION, add_arguments, from_arguments
from student import frozen, student_of
from train import examples
from trainer import Loss, Trainer

TEMPERATURE = 2.0
EMBEDDING_WEIGHT = 2.0


def distillation_loss(teacher: Detector) -> Loss:
    """Kullback-Leibler divergence per head times T^2, plus 1 - cosine of the embeddings."""

    def loss(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        with torch.no_grad():
            targets = teacher(batch.input_ids, batch.attention_mask)
        cosine = (outputs["embedding"] * targets["embedding"]).sum(-1)
        total = EMBEDDING_WEIGHT * (1.0 - cosine).sum()
        for name in HEAD_SIZES:
            divergence = kl_div(
                (outputs[name] / TEMPERATURE).log_softmax(-1),
                (targets[name] / TEMPERATURE).log_softmax(-1),
                reduction="sum",
                log_target=True,
            )
            total = total + TEMPERATURE**2 * divergence
        return total

    return loss


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--teacher", type=Path, required=True, help="model.pt of the teacher")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    add_arguments(parser)
    arguments = parser.parse_args()
    recipe = from_arguments(arguments.set, DISTILLATION)
    items = examples(arguments.data, arguments.out, recipe)
    batches = plan(items, recipe)
    teacher = load(arguments.teacher)
    loss = distillation_loss(frozen(teacher))
    trainer = Trainer(student_of(teacher), loss, recipe, len(batches))
    trainer.run(items, batches, arguments.out / "model.pt")


if __name__ == "__main__":
    main()

"""What a refinement learns from, and the authored pairs that it reads."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
import torch
from torch import Tensor

import refine
from batches import IGNORED, Batch
from data import Row, read_authored
from recipe import FAMILIES, SUBFAMILIES, Recipe

RECIPE = Recipe(label_weight=0.25, label_smoothing=0.0, kind_loss_weight=0.0)


class Fixed(torch.nn.Module):
    """A teacher with the same log-odds for every text."""

    def __init__(self, odds: float) -> None:
        super().__init__()
        self.odds = odds

    def forward(self, input_ids: Tensor, _mask: Tensor) -> dict[str, Tensor]:
        return outputs([self.odds] * len(input_ids))


def outputs(odds: list[float]) -> dict[str, Tensor]:
    """A model's outputs with these threat log-odds."""
    logits = torch.tensor([[0.0, value] for value in odds])
    kinds = {"family": len(FAMILIES), "subfamily": len(SUBFAMILIES)}
    return {"binary": logits} | {n: torch.zeros(len(odds), size) for n, size in kinds.items()}


def batch(labels: list[int], certain: list[int]) -> Batch:
    """Texts with these labels, of no kind."""
    ids = torch.ones(len(labels), 3, dtype=torch.int64)
    targets = {"binary": labels, "certain": certain}
    targets |= {"family": [IGNORED] * len(labels), "subfamily": [IGNORED] * len(labels)}
    return Batch(ids, ids, {name: torch.tensor(values) for name, values in targets.items()})


def best_odds(label: int, certain: int, teachers: list[refine.Teacher]) -> float:
    """The log-odds with the lowest loss for one text, among whole tenths."""
    loss = refine.refinement_loss(teachers, 1.0, RECIPE)
    grid = [value / 10 for value in range(-60, 61)]
    found = [float(loss(outputs([odds]), batch([label], [certain]))) for odds in grid]
    return grid[found.index(min(found))]


def test_the_target_lies_between_the_mean_of_the_teachers_and_the_label() -> None:
    teachers = [(Fixed(2.0), 1.0), (Fixed(-4.0), 2.0)]  # log-odds 2 and -2: a probability of .5
    middle = torch.tensor(0.25 * 1.0 + 0.75 * 0.5).logit()
    assert best_odds(1, 0, teachers) == pytest.approx(float(middle), abs=0.1)


def test_a_label_that_was_written_with_its_text_stands_against_the_teachers() -> None:
    teachers = [(Fixed(5.0), 1.0)]
    assert best_odds(0, 1, teachers) == -6.0
    assert best_odds(0, 0, teachers) > 0


def test_rows_come_in_turns() -> None:
    rows = [Row(str(i), 0, "BENIGN", "benign_chat", "s", str(i)) for i in range(7)]
    counts = Counter(row.text for row in refine.in_turns(rows, 17, random.Random(1)))
    assert sum(counts.values()) == 17
    assert set(counts.values()) == {2, 3}


def test_every_authored_pair_has_both_labels_and_known_kinds() -> None:
    pairs: defaultdict[str, set[int]] = defaultdict(set)
    rows = read_authored()
    for row in rows:
        pairs[row.group].add(row.label)
        assert row.kind in SUBFAMILIES if row.label else row.family == "BENIGN", row.text
    assert all(labels == {0, 1} for labels in pairs.values())
    assert len({row.text for row in rows}) == len(rows)


def test_authored_labels_do_not_show_in_the_length_of_the_texts() -> None:
    rows = read_authored()
    means = [
        sum(len(row.text) for row in rows if row.label == label)
        / sum(row.label == label for row in rows)
        for label in (0, 1)
    ]
    assert means[0] / means[1] == pytest.approx(1.0, abs=0.05)

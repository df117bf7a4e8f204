"""Metrics, windows and parity, against values worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import batches
import metrics
import parity
from batches import Item
from recipe import Recipe


def test_auc_counts_ties_half() -> None:
    scores, labels = np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert metrics.roc_auc(scores, labels) == pytest.approx(3.5 / 4)
    assert np.isnan(metrics.roc_auc(scores, np.zeros(4)))


def test_threshold_keeps_the_false_positive_rate() -> None:
    scores = np.arange(200) / 200.0
    labels = np.zeros(200)
    threshold = metrics.threshold_at_fpr(scores, labels, 0.01)
    assert (scores >= threshold).sum() == 2
    labels[-4:] = 1.0
    assert metrics.recall_at_fpr(scores, labels, 0.01) == 1.0


def test_wilson_interval() -> None:
    low, high = metrics.wilson(5, 10)
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    assert metrics.wilson(0, 0) == (0.0, 1.0)
    assert metrics.wilson(0, 50)[0] == 0.0


@pytest.mark.parametrize("length", [1, 5, 6, 7, 20, 61])
def test_windows_cover_the_text_and_overlap(length: int) -> None:
    ids = [101, *range(1000, 1000 + length), 102]
    cut = batches.windows(ids, 8, 2)
    assert {i for window in cut for i in window} == set(ids)
    assert all(len(w) <= 8 and w[0] == 101 and w[-1] == 102 for w in cut)
    for one, two in itertools.pairwise(cut):
        assert one[-3:-1] == two[1:3]


def test_plan_uses_every_item_once_and_is_deterministic() -> None:
    items = [Item([0] * (1 + i % 17), 0, 0, 0) for i in range(130)]
    planned = batches.plan(items, Recipe(batch_size=16))
    assert sorted(i for batch in planned for i in batch) == list(range(130))
    assert planned == batches.plan(items, Recipe(batch_size=16))


def test_padding_is_masked() -> None:
    ids, mask = batches.pad([[5, 6], [7]])
    assert ids.shape == mask.shape == (2, 16)
    assert mask.sum(1).tolist() == [2, 1]


def test_parity_counts_flips() -> None:
    gaps = parity.differences(np.array([0.2, 0.6, 0.9]), np.array([0.2, 0.4, 0.9]), 0.5)
    assert gaps["flips"] == 1
    assert gaps["max"] == pytest.approx(0.2)

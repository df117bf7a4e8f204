from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.evaluation import sorting
from raxe_core.evaluation.metrics import (
    Confusion,
    percentile,
    recall_at_fpr,
    recall_at_fpr_interval,
    roc_auc,
)
from raxe_core.evaluation.sorting import sorted_floats

BOOLS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)
SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), max_size=30)


def share(part: Sequence[bool], whole: Sequence[bool]) -> float | None:
    return len(part) / len(whole) if whole else None


@given(BOOLS)
def test_figures_agree_with_direct_counting(pairs: list[tuple[bool, bool]]) -> None:
    labels, decisions = [label for label, _ in pairs], [decision for _, decision in pairs]
    found = Confusion.of(labels, decisions)
    assert found.tp + found.tn + found.fp + found.fn == len(pairs)
    right = [True for label, decision in pairs if label == decision]
    hits = [True for label, decision in pairs if label and decision]
    alarms = [True for label, decision in pairs if decision and not label]
    threats, benign = [x for x in labels if x], [x for x in labels if not x]
    alerts = [x for x in decisions if x]
    assert found.accuracy == share(right, labels)
    assert found.precision == share(hits, alerts)
    assert found.recall == share(hits, threats)
    assert found.false_positive_rate == share(alarms, benign)
    if found.recall is not None and found.false_negative_rate is not None:
        assert math.isclose(found.recall + found.false_negative_rate, 1)
    if found.precision and found.recall:
        harmonic = statistics.harmonic_mean([found.precision, found.recall])
        assert found.f1 == pytest.approx(harmonic)


def test_undefined_figures_are_none() -> None:
    nothing = Confusion.of([], [])
    assert (nothing.accuracy, nothing.precision, nothing.recall, nothing.f1) == (None,) * 4
    silent = Confusion.of([True, False], [False, False])
    assert (silent.precision, silent.recall, silent.f1) == (None, 0.0, 0.0)
    for alarm in (False, True):  # a false alarm makes F1 no less undefined
        assert Confusion.of([False, False], [False, alarm]).f1 is None


def test_labels_and_decisions_are_as_many() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Confusion.of([True], [])


@given(SCORED)
def test_roc_auc_is_the_share_of_pairs_in_the_right_order(
    items: list[tuple[bool, float]],
) -> None:
    positives = [score for label, score in items if label]
    negatives = [score for label, score in items if not label]
    wins = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    expected = sum(wins) / len(wins) if wins else None
    found = roc_auc([label for label, _ in items], [score for _, score in items])
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-12))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30), st.integers(1, 100))
def test_percentile_is_the_smallest_value_that_covers_its_share(
    values: list[float], q: int
) -> None:
    found = percentile(sorted(values), q)
    assert found in values
    assert 100 * sum(value <= found for value in values) >= q * len(values)
    assert 100 * sum(value < found for value in values) < q * len(values)


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 50)
    assert percentile([1.0, 2.0, 3.0], 0) == 1.0


@given(st.lists(st.floats(allow_nan=False), max_size=40))
def test_runs_are_merged_in_order(values: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "RUN", 7)
        assert list(sorted_floats(iter(values))) == sorted(values)


def test_the_interval_of_recall_at_fpr_covers_the_truth() -> None:
    generator, hits = random.Random(4), 0
    truth = 1 - statistics.NormalDist().cdf(statistics.NormalDist().inv_cdf(0.99) - 2)
    for _ in range(150):
        labels = [i % 2 == 0 for i in range(1_200)]
        scores = [generator.gauss(2.0 * label, 1) for label in labels]
        found, point = (
            recall_at_fpr_interval(labels, scores, 0.01),
            recall_at_fpr(labels, scores, 0.01),
        )
        assert found is not None
        assert point is not None
        assert 0 < found.low <= point <= found.high < 1
        hits += found.low <= truth <= found.high
    assert hits >= 141  # 95 % at least: the interval is conservative


def test_too_few_benign_prompts_leave_recall_at_fpr_open() -> None:
    labels = [i % 2 == 0 for i in range(600)]
    found = recall_at_fpr_interval(labels, [float(label) for label in labels], 0.01)
    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)
    assert recall_at_fpr_interval([True], [0.5], 0.01) is None

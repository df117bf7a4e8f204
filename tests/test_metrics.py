from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.evaluation.metrics import Confusion, percentile, roc_auc

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
    found = percentile(values, q)
    assert found in values
    assert 100 * sum(value <= found for value in values) >= q * len(values)
    assert 100 * sum(value < found for value in values) < q * len(values)


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 50)
    assert percentile([3.0, 1.0, 2.0], 0) == 1.0

"""Intervals and tests agree with scipy and statsmodels on the same input."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.evaluation import auc
from raxe_core.evaluation.auc import Ranks, auc_differences, auc_distribution, exact_distributions
from raxe_core.evaluation.bootstrap import (
    bca,
    binomial,
    count_acceleration,
    count_distribution,
    jackknife_acceleration,
    one_each,
    two_sided_p,
)
from raxe_core.evaluation.grouped import linear_distribution
from raxe_core.evaluation.metrics import Confusion, recall_at_fpr, roc_auc
from raxe_core.evaluation.statistics import (
    Interval,
    difference_of_independent,
    holm,
    mcnemar_exact,
    paired_difference,
    paired_equivalence,
    quantile_interval,
    wilson,
)

counts = st.integers(0, 400)


def exact(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def f1(cells: Any) -> float:
    tp, fp, fn, *_ = cells
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


@given(counts, counts)
def test_wilson_is_that_of_statsmodels(successes: int, failures: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    found = wilson(successes, successes + failures)
    if successes + failures == 0:
        assert found is None
        return
    expected = proportion.proportion_confint(successes, successes + failures, method="wilson")
    assert found == exact(expected)


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_mcnemar_is_that_of_scipy_and_statsmodels(gained: int, lost: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    stats = pytest.importorskip("scipy.stats")
    found = mcnemar_exact(gained, lost)
    if gained + lost:
        expected = stats.binomtest(gained, gained + lost, 0.5).pvalue
        assert found == exact(expected)
        table = [[9, gained], [lost, 9]]
        assert found == exact(tables.mcnemar(table, exact=True).pvalue)
    else:
        assert found == 1.0


@pytest.mark.parametrize("n", [1_000, 100_001, 10**7, 10**8])
@pytest.mark.parametrize("spreads", [0.0, 0.5, 2.0, 10.0])
def test_mcnemar_is_right_for_any_number_of_pairs(n: int, spreads: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    lost = n // 2 - round(spreads * math.sqrt(n))
    assert mcnemar_exact(n - lost, lost) == exact(stats.binomtest(lost, n, 0.5).pvalue)
    assert mcnemar_exact(n, 0) == exact(0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    expected = list(multitest.multipletests(p_values, method="holm")[1])
    assert holm(p_values) == exact(expected)


@given(st.integers(0, 60), st.integers(0, 60), counts, st.floats(0.001, 0.2))
def test_equivalence_is_that_of_statsmodels(
    gained: int, lost: int, same: int, margin: float
) -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    stats = pytest.importorskip("scipy.stats")
    pairs = gained + lost + same
    found = paired_equivalence(gained, lost, pairs, margin)
    if pairs < 2:
        assert found is None
        return
    assert found is not None
    net = abs(gained - lost)
    exactly = stats.binom.cdf(net, pairs, margin) if net < margin * pairs else 0.0
    if pairs in (gained, lost, same):
        assert found == exact(1.0 if net else exactly)
        return
    differences = [1.0] * gained + [-1.0] * lost + [0.0] * same
    expected = weightstats.DescrStatsW(differences).ztost_mean(-margin, margin)[0]
    assert found == exact(max(expected, exactly))


@pytest.mark.parametrize(("pairs", "equivalent"), [(2, False), (98, False), (99, True)])
def test_pairs_without_a_difference_are_equivalent_only_where_they_are_many(
    pairs: int, equivalent: bool
) -> None:
    p = paired_equivalence(0, 0, pairs, 0.03)
    assert p is not None
    assert (p < 0.05) is equivalent


@settings(max_examples=50)
@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_quantile_interval_is_that_of_scipy(n: int, share: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    ordered = sorted(random.Random(n).random() for _ in range(n))
    expected = stats.quantile_test(ordered, p=share).confidence_interval()
    found = quantile_interval(ordered, share)
    if math.isnan(expected.low) or math.isnan(expected.high):
        assert found is None
    else:
        assert found == exact((expected.low, expected.high))


def test_paired_difference_is_wald_with_half_a_count_more_in_each_cell() -> None:
    cells = {1: 10.5, -1: 4.5, 0: 83 + 2 - 15}  # gained, lost, and the two others together
    total = sum(cells.values())
    mean = sum(value * number for value, number in cells.items()) / total
    spread = sum(number * (value - mean) ** 2 for value, number in cells.items()) / total
    half = 1.959963984540054 * (spread / total) ** 0.5
    assert paired_difference(10, 4, 83) == exact((mean - half, mean + half))


def test_an_interval_without_a_discordant_pair_is_narrow_and_not_empty() -> None:
    low, high = paired_difference(0, 0, 620)
    assert low < 0 < high
    assert high - low < 0.01


def test_mover_of_equal_intervals_is_wider_by_the_square_root_of_two() -> None:
    found = difference_of_independent(1.0, Interval(0.9, 1.1), 2.0, Interval(1.9, 2.1))
    assert found == pytest.approx((1 - 0.1 * 2**0.5, 1 + 0.1 * 2**0.5))


@pytest.mark.parametrize("seed", range(3))
def test_bca_is_that_of_scipy_on_the_same_resamples(seed: int) -> None:
    np = pytest.importorskip("numpy")
    stats = pytest.importorskip("scipy.stats")
    data = np.random.default_rng(seed).exponential(size=40)
    result = stats.bootstrap((data,), np.mean, n_resamples=999, method="BCa", rng=seed)
    left_out = one_each([float(np.mean(np.delete(data, i))) for i in range(40)])
    found = bca(
        float(data.mean()), list(result.bootstrap_distribution), jackknife_acceleration([left_out])
    )
    expected = (result.confidence_interval.low, result.confidence_interval.high)
    assert found == exact(expected)


def test_acceleration_of_counts_is_that_of_the_observations() -> None:
    cells = (40, 7, 5, 60)
    single = []
    for cell, number in enumerate(cells):
        fewer = [count - (i == cell) for i, count in enumerate(cells)]
        single += [f1(fewer)] * number
    found = jackknife_acceleration([one_each(single)])
    assert count_acceleration(cells, f1) == pytest.approx(found)


@pytest.mark.parametrize(("n", "share"), [(20, 0.1), (40, 0.5), (1000, 0.3), (1000, 0.995)])
def test_binomial_draws_have_the_right_distribution(n: int, share: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(7)
    drawn = [binomial(generator, n, share) for _ in range(4_000)]
    cells: dict[int, int] = {}
    for value in drawn:
        cells[value] = cells.get(value, 0) + 1
    common = [k for k in cells if 4_000 * stats.binom.pmf(k, n, share) >= 5]
    seen = [cells[k] for k in common]
    expected = [4_000 * stats.binom.pmf(k, n, share) for k in common]
    seen.append(4_000 - sum(seen))
    expected.append(4_000 - sum(expected))
    if expected[-1] < 1:
        seen[-2] += seen.pop()
        expected[-2] += expected.pop()
    assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_ranks_give_the_auc_with_and_without_ties() -> None:
    generator = random.Random(3)
    for levels in (5, 10**6):
        labels = [generator.random() < 0.4 for _ in range(300)]
        scores = [generator.randrange(levels) / levels for _ in labels]
        assert Ranks.of(labels, scores).auc == exact(roc_auc(labels, scores))


@pytest.mark.parametrize("levels", [4, 10**6])
def test_metrics_are_those_of_scikit_learn(levels: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    generator = random.Random(levels)
    labels = [generator.random() < 0.4 for _ in range(500)]
    scores = [(generator.randrange(levels) + 0.5 * label * levels) / levels / 2 for label in labels]
    decisions = [score >= 0.5 for score in scores]
    found = Confusion.of(labels, decisions)
    assert roc_auc(labels, scores) == exact(sk.roc_auc_score(labels, scores))
    assert found.f1 == exact(sk.f1_score(labels, decisions))
    assert found.precision == exact(sk.precision_score(labels, decisions))
    assert found.recall == exact(sk.recall_score(labels, decisions))
    assert found.accuracy == exact(sk.accuracy_score(labels, decisions))
    fpr, tpr, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    expected = max(t for f, t in zip(fpr, tpr, strict=True) if f <= 0.05)
    assert recall_at_fpr(labels, scores, 0.05) == exact(expected)


def test_acceleration_of_the_auc_is_that_of_leaving_one_out() -> None:
    generator = random.Random(5)
    labels = [i % 3 == 0 for i in range(60)]
    scores = [generator.randrange(8) + 2 * label for label in labels]
    groups = []
    for kind in (True, False):
        values = []
        for i, label in enumerate(labels):
            if label == kind:
                rest = [j for j in range(60) if j != i]
                value = roc_auc([labels[j] for j in rest], [scores[j] for j in rest])
                assert value is not None
                values.append(value)
        groups.append(one_each(values))
    found = Ranks.of(labels, scores).acceleration()
    assert found == exact(jackknife_acceleration(groups))


def test_resampled_auc_is_the_auc_of_the_resample() -> None:
    generator = random.Random(9)
    labels = [i % 2 == 0 for i in range(80)]
    models = [[generator.randrange(30) + 6 * label for label in labels] for _ in range(2)]
    found = exact_distributions([Ranks.of(labels, scores) for scores in models], resamples=20)
    again = random.Random(20_061)
    threats = [i for i in range(80) if labels[i]]
    benign = [i for i in range(80) if not labels[i]]
    for number in range(20):
        drawn = again.choices(benign, k=40) + again.choices(threats, k=40)
        for model, scores in enumerate(models):
            expected = roc_auc([labels[i] for i in drawn], [scores[i] for i in drawn])
            assert found[model][number] == exact(expected)


def close(ends: Any, expected: Any) -> bool:
    """Tell whether both ends are as close as two bootstraps of 2,000 resamples come."""
    width = expected[1] - expected[0]
    return all(abs(a - b) < 0.08 * width for a, b in zip(ends, expected, strict=True))


def noisy_scores(seed: int, prompts: int, gap: float, levels: int) -> tuple[list[int], list[float]]:
    generator = random.Random(seed)
    labels = [int(i % 3 == 0) for i in range(prompts)]
    return labels, [round(generator.gauss(gap * label, 1) * levels) / levels for label in labels]


@pytest.mark.parametrize(("gap", "levels"), [(0.5, 10**9), (3.0, 10**9), (1.5, 2)])
def test_the_interval_of_the_auc_of_many_prompts_is_that_of_scipy(gap: float, levels: int) -> None:
    np = pytest.importorskip("numpy")
    stats = pytest.importorskip("scipy.stats")
    labels, scores = noisy_scores(1, auc.EXACT_UP_TO + 400, gap, levels)
    threats, benign = (
        np.array([s for y, s in zip(labels, scores, strict=True) if y == kind]) for kind in (1, 0)
    )

    def statistic(x: Any, y: Any, axis: int) -> Any:
        n = x.shape[axis]
        ranks = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)
        wins = ranks[..., :n].sum(axis=axis) - n * (n + 1) / 2
        return wins / (n * y.shape[axis])

    expected = stats.bootstrap(
        (threats, benign), statistic, n_resamples=2_000, batch=200, method="BCa", rng=1
    ).confidence_interval
    ranks = Ranks.of(labels, scores)
    assert close(bca(ranks.auc, auc_distribution(ranks), ranks.acceleration()), expected)


def test_the_difference_of_many_prompts_is_that_of_resampled_prompts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, scores = noisy_scores(2, 1_800, 1.5, 10**9)
    generator = random.Random(3)
    others = [score + generator.gauss(0, 0.7) for score in scores]
    models = [Ranks.of(labels, scores), Ranks.of(labels, others)]
    ends = []
    for limit in (auc.EXACT_UP_TO, 0):
        monkeypatch.setattr(auc, "EXACT_UP_TO", limit)
        (found,) = auc_differences(models)
        assert found.estimate == models[1].auc - models[0].auc
        ends.append(bca(*found))
    assert ends[0] != ends[1]
    assert close(ends[1], ends[0])


def test_a_resampled_auc_of_many_prompts_is_never_beyond_1() -> None:
    labels = [i % 2 for i in range(4_000)]
    scores = [0.1 + 0.8 * label for label in labels]
    scores[0] = scores[1] = 0.5
    scores[2] = 0.6
    distribution = auc_distribution(Ranks.of(labels, scores))
    assert min(distribution) < max(distribution) == 1.0


def test_equal_contributions_leave_nothing_to_resample() -> None:
    assert set(linear_distribution(0.5, [[0.25] * 3_000, [0.75] * 3_000])) == {0.5}


def test_contributions_that_rounding_made_come_to_an_end() -> None:
    nearly_equal = [1e9 + 1e-6 * (i % 11) for i in range(3_001)]
    found = linear_distribution(0.5, [nearly_equal, [0.1] * 3_001])
    assert found == pytest.approx([0.5] * len(found), abs=1e-3)


@pytest.mark.parametrize("outliers", [0, 2])
def test_groups_keep_the_distribution_of_a_mean(outliers: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(8)
    data = [generator.expovariate(1) for _ in range(1_500)]
    data[:outliers] = [400.0] * outliers
    total, n = sum(data), len(data)
    found = linear_distribution(total / n, [[(total - value) / (n - 1) for value in data]])
    drawn = [sum(generator.choices(data, k=n)) / n for _ in found]
    assert stats.ks_2samp(found, drawn).pvalue > 0.01


@pytest.mark.parametrize("statistic", ["f1", "auc"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(statistic: str) -> None:
    generator = random.Random(11)
    hits = 0
    for _ in range(60):
        if statistic == "f1":
            cells = [0, 0, 0, 0]
            for _ in range(150):
                cells[generator.choices(range(4), weights=[4, 1, 1, 4])[0]] += 1
            distribution = count_distribution(cells, f1, 200)
            found = bca(f1(cells), distribution, count_acceleration(cells, f1))
            truth = 0.8
        else:
            labels = [i % 2 == 0 for i in range(100)]
            scores = [generator.gauss(1.0 * label, 1) for label in labels]
            ranks = Ranks.of(labels, scores)
            found = bca(ranks.auc, exact_distributions([ranks], 200)[0], ranks.acceleration())
            truth = 0.7602499  # Phi(1 / sqrt 2)
        hits += found.low <= truth <= found.high
    assert 51 <= hits <= 60


def test_p_value_of_resampled_differences() -> None:
    assert two_sided_p([0.0] * 99) == 1.0
    assert two_sided_p([1.0] * 99) == pytest.approx(0.02)

"""The formulas: against scipy and statsmodels, against published figures, and at their edges."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_abtest.errors import SettingsError
from raxe_abtest.statistics import fixed, paired, planner, quantile, sequential, special, srm
from raxe_abtest.statistics.sums import Effect, Sums, difference, effective_size, stratified

COUNTS = st.integers(1, 4_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def arm(right: float, n: float) -> Sums:
    return Sums(n, right, n, right, right, n)


class TestAgainstScipy:
    """Agreement to 1e-9."""

    @given(st.floats(-8, 8), st.floats(1, 1e5))
    def test_distributions(self, x: float, df: float) -> None:
        stats = pytest.importorskip("scipy.stats")
        assert special.normal_cdf(x) == pytest.approx(stats.norm.cdf(x), abs=1e-12)
        assert special.normal_sf2(x) == pytest.approx(2 * stats.norm.sf(abs(x)), abs=1e-12)
        assert special.student_sf2(x, df) == pytest.approx(2 * stats.t.sf(abs(x), df), abs=1e-10)
        value = abs(x) * 20
        assert special.chi2_sf(value, 3) == pytest.approx(stats.chi2.sf(value, 3), abs=1e-12)

    @given(st.floats(0.5001, 0.9999), st.floats(1.5, 1e5))
    def test_quantiles(self, p: float, df: float) -> None:
        stats = pytest.importorskip("scipy.stats")
        assert special.student_quantile(p, df) == pytest.approx(
            stats.t.ppf(p, df), rel=1e-9, abs=1e-9
        )
        assert special.normal_quantile(p) == pytest.approx(stats.norm.ppf(p), abs=1e-12)

    @given(COUNTS, COUNTS)
    def test_proportions(self, a: tuple[int, int], b: tuple[int, int]) -> None:
        pytest.importorskip("statsmodels")
        from statsmodels.stats import proportion

        args = (b[0], b[1], a[0], a[1])
        low, high = proportion.confint_proportions_2indep(*args, method="newcomb", compare="diff")
        assert fixed.newcombe(*a, *b) == pytest.approx((low, high), abs=1e-9)
        low, high = proportion.confint_proportions_2indep(
            *args, method="agresti-caffo", compare="diff"
        )
        clipped = (max(-1.0, low), min(1.0, high))
        assert fixed.agresti_caffo(*a, *b) == pytest.approx(clipped, abs=1e-9)
        if 0 < a[0] + b[0] < a[1] + b[1]:
            z, p = proportion.proportions_ztest([b[0], a[0]], [b[1], a[1]])
            assert fixed.pooled_z(*a, *b) == pytest.approx((z, p), abs=1e-9)

    @settings(max_examples=50)
    @given(COUNTS, COUNTS)
    def test_exact(self, a: tuple[int, int], b: tuple[int, int]) -> None:
        stats = pytest.importorskip("scipy.stats")
        table = [[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]
        assert fixed.fisher(*a, *b) == pytest.approx(stats.fisher_exact(table).pvalue, abs=1e-9)
        n = a[0] + b[0]
        if n:
            p = stats.binomtest(min(a[0], b[0]), n, 0.5).pvalue
            assert fixed.mcnemar_exact(a[0], b[0]) == pytest.approx(p, abs=1e-9)

    @pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # of scipy itself
    @given(
        st.lists(st.floats(0, 1e4), min_size=2, max_size=40),
        st.lists(st.floats(0, 1e4), min_size=2, max_size=40),
    )
    def test_welch(self, a: list[float], b: list[float]) -> None:
        np, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")
        if np.std(a) + np.std(b) < 1e-3:
            return
        theirs = stats.ttest_ind(b, a, equal_var=False)
        ours = fixed.welch(
            np.mean(a), np.std(a, ddof=1), len(a), np.mean(b), np.std(b, ddof=1), len(b)
        )
        assert ours.p_value == pytest.approx(theirs.pvalue, abs=1e-9)
        low, high = theirs.confidence_interval()
        assert ours.interval == pytest.approx((low, high), rel=1e-8, abs=1e-8)

    def test_split(self) -> None:
        stats = pytest.importorskip("scipy.stats")
        theirs = stats.chisquare([9100, 900], [9000, 1000]).pvalue
        assert srm.chi_squared([9100, 900], [0.9, 0.1]) == pytest.approx(theirs, abs=1e-12)

    def test_holm(self) -> None:
        pytest.importorskip("statsmodels")
        from statsmodels.stats.multitest import multipletests

        p = [0.01, 0.04, 0.03, 0.005, 0.9]
        assert fixed.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))


class TestPublishedFigures:
    """Figures of other tools (scipy, statsmodels, confseq, gbstats, ssrm-test), kept as numbers."""

    def test_two_proportions(self) -> None:
        assert fixed.pooled_z(900, 1000, 920, 1000) == pytest.approx((1.56269, 0.118125), rel=1e-5)
        assert fixed.pooled_z(4500, 5000, 4600, 5000)[1] == pytest.approx(4.75337e-4, rel=1e-5)
        assert fixed.fisher(50, 60, 58, 60) == pytest.approx(0.0294813, rel=1e-5)
        assert fixed.newcombe(100, 100, 95, 100) == pytest.approx((-0.11175, -0.00332794), rel=1e-5)
        assert fixed.newcombe(0, 20, 20, 20) == pytest.approx((0.772135, 1), rel=1e-5)
        assert fixed.fisher(8910, 9900, 100, 100) == pytest.approx(5.83158e-5, rel=1e-5)

    def test_exact_e_process(self) -> None:
        for failures, share, p in (
            ((100, 80), 0.5, 0.89805),
            ((500, 400), 0.5, 0.0223364),
            ((990, 0), 0.99, 2.19279e-4),
        ):
            log_e = sequential.log_e_proportions(*failures, share)
            assert sequential.p_from_log_e(log_e) == pytest.approx(p, rel=1e-5)

    def test_normal_mixture(self) -> None:
        bound = sequential.multiplier(5000, 5000) / math.sqrt(5000)
        assert bound == pytest.approx(0.0429243, rel=1e-5)

    def test_welch(self) -> None:
        found = fixed.welch(100, 60, 1000, 95, 55, 1000)
        assert found.p_value == pytest.approx(0.0522093, rel=1e-5)
        assert found.interval == pytest.approx((-10.0478, 0.047847), rel=1e-4)
        assert fixed.welch(120, 80, 5000, 112, 40, 500).p_value == pytest.approx(1.66711e-4, 1e-5)

    def test_sequential_split(self) -> None:
        for users, shares, p in (
            ((5100, 4900), (0.5, 0.5), 0.538336),
            ((5200, 4800), (0.5, 0.5), 0.00229777),
            ((9100, 900), (0.9, 0.1), 0.0176662),
        ):
            found = sequential.p_from_log_e(srm.log_e_split(users, shares))
            assert found == pytest.approx(p, rel=1e-5)

    def test_pairs(self) -> None:
        assert fixed.mcnemar_exact(30, 10) == pytest.approx(0.00222143, rel=1e-5)
        found = sequential.p_from_log_e(paired.log_e_discordant(30, 10, 2))
        assert found == pytest.approx(0.0316087, rel=1e-5)

    def test_sizes(self) -> None:
        assert planner.proportion_size(0.9, 0.92) == pytest.approx(3210.19, rel=1e-5)
        assert planner.proportion_size(0.9, 0.92, power=0.9) == pytest.approx(4297.54, rel=1e-5)
        assert planner.mean_size(60, 5) == pytest.approx(2260.48, rel=1e-5)

    def test_p95(self) -> None:
        normal = [special.normal_quantile((i + 0.5) / 1000) for i in range(1000)]
        latencies = [math.exp(math.log(100) + 0.6 * z) for z in normal]
        found = quantile.quantile(histogram(latencies), 0.95)
        exact = sorted(latencies)[949]
        assert found is not None
        assert found.value == pytest.approx(exact, rel=quantile.ACCURACY)


class TestEdges:
    """What breaks other tools has a finite answer here."""

    @given(COUNTS, COUNTS, st.floats(0.001, 0.999))
    def test_everything_is_finite(
        self, a: tuple[int, int], b: tuple[int, int], share: float
    ) -> None:
        for pooled in (True, False):
            effect = difference(arm(*a), arm(*b), pooled=pooled, prior=not pooled)
            if effect is not None:
                assert all(map(math.isfinite, effect))
                assert math.isfinite(sequential.log_e_mean(effect, 5000))
        assert math.isfinite(sequential.log_e_proportions(a[1] - a[0], b[1] - b[0], share))
        low, high = sequential.beta_binomial_interval(*a)
        assert 0 <= low <= a[0] / a[1] <= high <= 1
        assert 0 <= fixed.two_proportions(*a, *b).p_value <= 1 + 1e-12

    def test_all_right_in_both_arms(self) -> None:
        assert fixed.pooled_z(30, 30, 30, 30) == (0.0, 1.0)
        assert fixed.newcombe(30, 30, 30, 30) == pytest.approx((-0.113513, 0.113513), rel=1e-5)
        shown = difference(arm(30, 30), arm(30, 30), prior=True)
        assert shown is not None
        assert shown.d == 0
        assert shown.se > 0

    def test_all_right_in_one_arm(self) -> None:
        found = fixed.two_proportions(100, 100, 95, 100)
        assert found.interval is not None
        assert found.interval[1] < 0
        assert fixed.two_proportions(0, 20, 20, 20).p_value < 1e-9

    def test_nothing_and_one(self) -> None:
        assert Sums().mean is None
        assert Sums().variance() is None
        assert arm(1, 1).variance() is None
        assert difference(Sums(), arm(5, 10)) is None
        assert difference(arm(1, 1), arm(5, 10)) is None
        assert fixed.two_proportions(0, 0, 1, 2).note
        assert fixed.welch(1, 0, 1, 2, 1, 5).interval is None
        assert fixed.welch(1, 0, 5, 1, 0, 5).note
        assert fixed.mcnemar_exact(0, 0) == 1.0
        assert srm.chi_squared([0, 0], [0.5, 0.5]) == 1.0
        assert srm.log_e_split([0, 0], [0.5, 0.5]) == 0.0
        assert srm.log_e_split([5, 1], [1.0, 0.0]) == math.inf
        assert sequential.beta_binomial_interval(0, 0) == (0.0, 1.0)
        assert sequential.log_e_mean(Effect(0, 0, 10), 5000) == 0.0
        assert quantile.quantile([], 0.95) is None
        assert quantile.quantile([(5, 75.0)], 0.95) is None

    def test_equal_values_have_no_spread(self) -> None:
        assert Sums.of_values([0.1] * 7).variance() == 0.0
        assert Sums.of_values([1e9 + 0.1] * 1000).variance() == 0.0


class TestSums:
    """Users are the unit."""

    @given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=9), min_size=2, max_size=30))
    def test_delta_variance(self, users: list[list[float]]) -> None:
        total = Sums()
        for values in users:
            s, m = sum(values), float(len(values))
            total = total.plus(Sums(1, s, m, s * s, s * m, m * m))
        mu = sum(map(sum, users)) / sum(map(len, users))
        k, m = len(users), sum(map(len, users))
        expected = k / (k - 1) * sum((sum(u) - mu * len(u)) ** 2 for u in users) / m**2
        found = total.variance()
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)

    def test_one_each_is_the_textbook(self) -> None:
        a, b = arm(900, 1000), arm(920, 1000)
        effect = difference(a, b, pooled=True)
        assert effect is not None
        assert effect.d / effect.se == pytest.approx(fixed.pooled_z(900, 1000, 920, 1000)[0])
        assert a.binary
        assert not Sums.of_values([0.5, 0.5]).binary

    def test_effective_size(self) -> None:
        assert effective_size(500, 500) == 1000
        assert effective_size(990, 10) == pytest.approx(39.6)
        assert effective_size(0, 10) == 0

    def test_epochs_do_not_mix(self) -> None:
        """Simpson: the rate rises and the split moves; within the epochs nothing differs."""
        one = difference(arm(90, 900), arm(10, 100))
        two = difference(arm(90, 100), arm(810, 900))
        assert one is not None
        assert two is not None
        both = stratified([one, two])
        assert both is not None
        assert both.d == pytest.approx(0)
        assert stratified([]) is None


class TestSequential:
    """Intervals and evidence fit together."""

    @given(st.floats(0.001, 0.2), st.floats(20, 1e5))
    def test_size_needed_decides(self, d: float, size: float) -> None:
        effect = Effect(d, 0.6 / math.sqrt(size), size)
        needed = sequential.size_needed(effect, 5000)
        assert needed is not None
        then = Effect(d, 0.6 / math.sqrt(needed), needed)
        log_e = sequential.log_e_mean(then, 5000)
        assert log_e == pytest.approx(-math.log(0.05), abs=1e-6)
        half = sequential.multiplier(needed, 5000) * then.se
        assert half == pytest.approx(d, rel=1e-6)

    def test_no_difference_is_never_decided(self) -> None:
        assert sequential.size_needed(Effect(0, 1, 10), 5000) is None

    @given(st.integers(0, 60), st.floats(0.05, 0.95))
    def test_the_exact_e_value_is_fair(self, n: int, share: float) -> None:
        """Its expectation under the null hypothesis is one."""
        expected = sum(
            math.exp(
                special.log_beta(1, 1) + math.lgamma(n + 1) - math.lgamma(x + 1)
                - math.lgamma(n - x + 1) + x * math.log(share) + (n - x) * math.log1p(-share)
                + sequential.log_e_proportions(x, n - x, share)
            )
            for x in range(n + 1)
        )  # fmt: skip
        assert expected == pytest.approx(1)

    @given(st.integers(0, 60), st.floats(1, 100))
    def test_the_paired_e_value_is_fair(self, n: int, k: float) -> None:
        expected = sum(
            math.comb(n, x) / 2**n * math.exp(paired.log_e_discordant(x, n - x, k))
            for x in range(n + 1)
        )
        assert expected == pytest.approx(1)

    @pytest.mark.parametrize("planned", [100, 5_000])
    @pytest.mark.parametrize(
        ("differing", "pairs"),
        [(0.01, (1, 1)), (0.03, (1, 1)), (0.99, (1, 1)), (0.01, (10, 30)), (0.01, (1, 50))],
    )
    def test_the_paired_interval_holds_where_models_differ_one_way(
        self, differing: float, pairs: tuple[int, int], planned: int
    ) -> None:
        """A user either sees no difference or nothing else: the true one leaves few intervals."""
        rng, runs, missed = random.Random(5), 300, 0
        numbers = range(pairs[0], pairs[1] + 1)
        for _ in range(runs):
            s = m = ss = mm = 0
            for user in range(1, 1_201):
                own = rng.choice(numbers)
                m, mm = m + own, mm + own * own
                if rng.random() < differing:  # then the user's S is its M
                    s, ss = s + own, ss + own * own
                if user < 30 or user % 10:
                    continue
                found = paired.paired_interval(Sums(user, s, m, ss, ss, mm), planned)
                assert found is not None
                if not found[0] <= differing <= found[1]:
                    missed += 1
                    break
        assert missed <= 0.05 * runs

    @pytest.mark.parametrize("pairs", [1, 20])
    def test_models_that_never_differ_are_equivalent_in_the_end(self, pairs: int) -> None:
        def interval(users: int) -> tuple[float, float]:
            sums = Sums(users, 0, users * pairs, 0, 0, users * pairs * pairs)
            found = paired.paired_interval(sums, 5_000)
            assert found is not None
            return found

        assert interval(30)[1] > 0.3
        assert interval(700)[1] > 0.01
        low, high = interval(750)
        assert -0.01 < low < 0 < high < 0.01

    @given(st.integers(2, 500), st.integers(0, 500), st.integers(0, 500), st.floats(10, 1e6))
    def test_the_paired_interval_is_finite_and_turns_around(
        self, neither: int, only_a: int, only_b: int, planned: float
    ) -> None:
        k, differ = float(neither + only_a + only_b), float(only_a + only_b)
        d = float(only_b - only_a)
        found = paired.paired_interval(Sums(k, d, k, differ, d, k), planned)
        turned = paired.paired_interval(Sums(k, -d, k, differ, -d, k), planned)
        assert found is not None
        assert turned is not None
        assert -1 <= found[0] <= d / k <= found[1] <= 1
        assert found[0] < found[1]
        assert turned == pytest.approx((-found[1], -found[0]))

    def test_average(self) -> None:
        assert sequential.log_average(math.log(2), math.log(4)) == pytest.approx(math.log(3))
        assert sequential.log_average(2_000.0, 0.0) == pytest.approx(2_000 - math.log(2))


def histogram(latencies: list[float]) -> list[tuple[int, float]]:
    counts: dict[int, float] = {}
    for value in latencies:
        bucket = quantile.bucket_of(value)
        counts[bucket] = counts.get(bucket, 0.0) + 1
    return sorted(counts.items())


class TestQuantile:
    """The sketch and its intervals."""

    @given(st.floats(0.001, 1e7))
    def test_buckets_are_accurate(self, latency: float) -> None:
        value = quantile.bucket_value(quantile.bucket_of(latency))
        assert abs(value - latency) <= latency * quantile.ACCURACY * 1.0001

    @given(st.lists(st.floats(0.5, 500), min_size=80, max_size=300), st.floats(0.3, 0.95))
    def test_the_quantile_is_the_order_statistic(self, values: list[float], q: float) -> None:
        found = quantile.quantile(histogram(values), q)
        exact = sorted(values)[math.ceil(len(values) * q - 1e-9) - 1]
        assert found is not None
        assert found.value == pytest.approx(exact, rel=quantile.ACCURACY * 1.01)

    def test_a_real_difference_is_found(self) -> None:
        rng = random.Random(1)
        a = histogram([rng.lognormvariate(4, 0.5) for _ in range(6_000)])
        b = histogram([1.3 * rng.lognormvariate(4, 0.5) for _ in range(6_000)])
        found = quantile.quantile_ratio(a, b, 0.95, (6_000, 6_000), (1, 1), 5_000)
        assert found is not None
        assert found.low < math.log(1.3) < found.high
        assert found.low > 0
        assert found.log_e > -math.log(0.05)
        alike = quantile.quantile_ratio(a, b, 0.95, (300, 300), (8.0, 8.0), 5_000)
        assert alike is None or alike.high - alike.low > found.high - found.low

    @given(st.integers(80, 4_000), st.floats(0.5, 0.99))
    def test_the_exact_sequence_is_what_the_mixture_does_not_rule_out(
        self, n: int, q: float
    ) -> None:
        values = sorted(1.0 + 0.5 * i for i in range(n))
        found = quantile.quantile_sequence(histogram(values), q, 2_500)
        k = 1 / sequential.rho_squared(2_500) - 1
        kept = [
            rank for rank in range(n + 1)
            if sequential.log_e_binomial(rank, n - rank, q, k) < math.log(20)
        ]  # fmt: skip
        if kept[0] == 0 or kept[-1] + 1 >= n:
            assert found is None
            return
        assert found is not None
        exact = (values[kept[0] - 1], values[kept[-1]])
        assert found == pytest.approx(exact, rel=3 * quantile.ACCURACY)
        assert found[0] <= exact[0] * (1 + 1e-9)
        assert found[1] >= exact[1] * (1 - 1e-9)

    def test_no_latencies_have_no_sequence(self) -> None:
        assert quantile.quantile_sequence([], 0.95, 2_500) is None

    @given(st.integers(0, 60), st.floats(0.05, 0.95), st.floats(0.01, 500))
    def test_its_evidence_is_fair(self, n: int, q: float, k: float) -> None:
        expected = sum(
            math.comb(n, x) * q**x * (1 - q) ** (n - x)
            * math.exp(sequential.log_e_binomial(x, n - x, q, k))
            for x in range(n + 1)
        )  # fmt: skip
        assert expected == pytest.approx(1)

    def test_alike_users(self) -> None:
        same = [[1.0] * 10 if user % 4 else [9.0] * 10 for user in range(100)]
        mixed = [[1.0, 1.0, 1.0, 9.0] for _ in range(100)]
        assert quantile.cluster_icc(same, 5) == pytest.approx(1, abs=0.02)
        assert quantile.cluster_icc(mixed, 5) == 0
        assert quantile.design_effect(1, 1000, 10_000) == 10
        assert quantile.cluster_icc([], 5) == 0


class TestPlanner:
    """How many users."""

    def test_plans(self) -> None:
        plain = planner.plan(0.9, 0.02, users_per_day=1000)
        assert plain.fixed == 6421
        assert plain.fixed < plain.expected < plain.anytime
        assert plain.days == pytest.approx(7.7, abs=0.1)
        canary = planner.plan(0.9, 0.02, split=0.1)
        assert canary.fixed > 2.5 * plain.fixed
        alike = planner.plan(0.9, 0.02, requests_per_user=10, icc=0.1)
        assert alike.design_effect == pytest.approx(1.9)
        pairs = planner.plan(0.9, 0.02, discordance=0.08)
        assert pairs.fixed < 0.3 * plain.fixed
        assert planner.plan(0, 5, deviation=60).fixed == 4521

    @pytest.mark.parametrize(
        "wrong",
        [
            {"baseline": 0.9, "effect": 0.2},
            {"baseline": 0.9, "effect": 0.0},
            {"baseline": 0.9, "effect": 0.02, "split": 1.0},
            {"baseline": 0.9, "effect": 0.02, "icc": 2.0},
            {"baseline": 0.9, "effect": 0.02, "discordance": 0.01},
            {"baseline": 0.9, "effect": math.nan, "deviation": 60.0},
            {"baseline": 0.9, "effect": 1e-200},
            {"baseline": 0.9, "effect": 1e-17},
            {"baseline": 0.9, "effect": 0.02, "deviation": math.inf},
            {"baseline": 0.9, "effect": 0.02, "deviation": 0.0},
            {"baseline": 0.9, "effect": 0.02, "requests_per_user": math.inf},
            {"baseline": 0.9, "effect": 0.02, "requests_per_user": math.nan},
            {"baseline": 0.9, "effect": 0.02, "cv": math.nan},
            {"baseline": 0.9, "effect": 0.02, "users_per_day": -5.0},
        ],
    )
    def test_nonsense_is_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(SettingsError):
            planner.plan(**wrong)

"""How many users it takes to find a real difference, unpaired and paired."""

from __future__ import annotations

import sys
import time

import numpy as np
from simulate import ALPHA, LIMIT, Array, growing_sums, log_e_of, share

from raxe_abtest.statistics.paired import log_e_discordant, paired_log_e
from raxe_abtest.statistics.planner import paired_size, proportion_size
from raxe_abtest.statistics.sums import Sums

STEP = 100


def unpaired(rng: np.random.Generator, p_a: float, p_b: float, most: int) -> int:
    """Return the users at which a winner was named, looking every 100."""
    in_b = rng.random(most) < 0.5
    right = rng.random(most) < np.where(in_b, p_b, p_a)
    at = np.arange(STEP, most + 1, STEP) - 1
    n_b, s_b, s_all = np.cumsum(in_b)[at], np.cumsum(in_b & right)[at], np.cumsum(right)[at]
    for n, nb, sb, s in zip(at + 1, n_b, s_b, s_all, strict=True):
        na, sa = int(n - nb), int(s - sb)
        a, b = Sums(na, sa, na, sa, sa, na), Sums(nb, sb, nb, sb, sb, nb)
        if log_e_of(a, b, 0.5) >= LIMIT:
            return int(n)
    return most


def deciding_pair(p_b: float, most: int) -> Array:
    """Return the probability that the n-th discordant pair decides, worked out exactly.

    ``p_b`` is the probability that a discordant pair falls to B. The evidence is looked at after
    each pair; it depends on the number of pairs that fell to B alone, which is a random walk.
    """
    undecided, decided = np.array([1.0]), np.zeros(most + 1)
    needed = 0  # how many of n must fall to one model
    for n in range(1, most + 1):
        undecided = np.append(undecided, 0.0) * (1 - p_b) + np.append(0.0, undecided) * p_b
        while needed <= n and log_e_discordant(float(n - needed), float(needed)) < LIMIT:
            needed += 1
        needed = max(needed, (n + 1) // 2)
        hit = np.r_[np.arange(max(0, n - needed + 1)), np.arange(needed, n + 1)]
        decided[n] = undecided[hit].sum()
        undecided[hit] = 0.0
    return decided


def least_pairs(share: float, effect: float) -> float:
    """Return a mean that no test beats which treats both models alike (Wald 1945).

    Each model may be named falsely with a chance of alpha/2, and what one pair tells is at most its
    Kullback-Leibler divergence from a fair coin, as somebody who knows the effect would bet.
    """
    p_b = (share + effect) / (2 * share)
    rate = p_b * np.log(2 * p_b) + (1 - p_b) * np.log(2 * (1 - p_b))
    return float(np.log(2 / ALPHA) / rate / share)


def paired_by_users(rng: np.random.Generator, discordance: float, users: int) -> bool:
    """Run a null experiment with 10 to 30 pairs per user, each suited by one model."""
    requests = rng.integers(10, 31, users)
    suits = rng.beta(2, 2, users)
    user = np.repeat(np.arange(users), requests)
    rng.shuffle(user)
    sign = np.where(rng.random(len(user)) < suits[user], 1.0, -1.0)
    value = np.where(rng.random(len(user)) < discordance, sign, 0.0)
    nobody = np.zeros(users, dtype=bool)
    return any(
        sums.k >= 30 and paired_log_e(sums, 0, 0, 5_000) >= LIMIT
        for sums, _ in growing_sums(user, value, nobody, 100)
    )


def main(runs: int) -> None:
    """Print three tables."""
    started = time.time()
    print("| rates | fixed size (80 %) | mean users | median | 80th percentile | mean / fixed |")
    print("|---|---|---|---|---|---|")
    for p_a, p_b in ((0.9, 0.92), (0.8, 0.82), (0.95, 0.97)):
        rng, fixed = np.random.default_rng(3), 2 * proportion_size(p_a, p_b)
        stops = np.array([unpaired(rng, p_a, p_b, 60_000) for _ in range(runs)])
        print(f"| {p_a} and {p_b} | {fixed:,.0f} | {stops.mean():,.0f} | {np.median(stops):,.0f} "
              f"| {np.quantile(stops, 0.8):,.0f} | {stops.mean() / fixed:.2f} |",
              flush=True)  # fmt: skip
    fixed = 2 * proportion_size(0.9, 0.92)
    print("\n| discordant share | fixed pairs (80 %) | mean pairs | least possible "
          "| mean / unpaired fixed size | least / unpaired | false winners in 20,000 pairs |\n"
          "|---|---|---|---|---|---|---|")  # fmt: skip
    for discordance in (0.04, 0.08, 0.12, 0.164, 0.188):
        decided = deciding_pair((discordance + 0.02) / (2 * discordance), 6_000)
        mean = (decided @ np.arange(6_001) + 6_000 * (1 - decided.sum())) / discordance
        wrong = deciding_pair(0.5, round(20_000 * discordance)).sum()
        size, least = paired_size(discordance, 0.02), least_pairs(discordance, 0.02)
        print(f"| {discordance:.1%} | {size:,.0f} | {mean:,.0f} | {least:,.0f} "
              f"| {mean / fixed:.2f} | {least / fixed:.2f} | {wrong:.1%} |",
              flush=True)  # fmt: skip
    print("\n| pairs per user | discordant share | users | looks | runs | false winners "
          "| 95 % interval |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for discordance in (0.04, 0.188):
        rng = np.random.default_rng(5)
        wins = sum(paired_by_users(rng, discordance, 1_000) for _ in range(runs))
        print(f"| 10-30 | {discordance:.1%} | 1,000 | 100 | {runs:,} | {share(wins, runs)} |",
              flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000)

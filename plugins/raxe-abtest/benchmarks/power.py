"""How many users it takes to find a real difference, unpaired and paired."""

from __future__ import annotations

import sys
import time

import numpy as np
from simulate import LIMIT, growing_sums, log_e_of, upper_bound

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


def paired(rng: np.random.Generator, only_a: float, only_b: float, most: int) -> int:
    """Return the pairs at which a winner was named, looking after each; ``most`` + 1 for never."""
    draw = rng.random(most)
    fell_a, fell_b = draw < only_a, (draw >= only_a) & (draw < only_a + only_b)
    a, b = np.cumsum(fell_a), np.cumsum(fell_b)
    for n in np.flatnonzero(fell_a | fell_b):
        if log_e_discordant(float(a[n]), float(b[n])) >= LIMIT:
            return int(n) + 1
    return most + 1


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
    print("\n| discordant share | fixed pairs (80 %) | mean pairs | median "
          "| mean / unpaired fixed size | false winners, no difference |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for share in (0.04, 0.08, 0.12, 0.188):
        rng = np.random.default_rng(4)
        only_a, only_b = (share - 0.02) / 2, (share + 0.02) / 2
        stops = np.array([paired(rng, only_a, only_b, 60_000) for _ in range(runs)])
        wrong = sum(paired(rng, share / 2, share / 2, 20_000) <= 20_000 for _ in range(runs))
        print(f"| {share:.1%} | {paired_size(share, 0.02):,.0f} | {stops.mean():,.0f} "
              f"| {np.median(stops):,.0f} | {stops.mean() / fixed:.2f} | {wrong / runs:.1%} |",
              flush=True)  # fmt: skip
    print("\n| pairs per user | discordant share | users | looks | runs | false winners "
          "| 95 % upper bound |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for share in (0.04, 0.188):
        rng = np.random.default_rng(5)
        wins = sum(paired_by_users(rng, share, 1_000) for _ in range(runs))
        print(f"| 10-30 | {share:.1%} | 1,000 | 100 | {runs} | {wins / runs:.1%} "
              f"| {upper_bound(wins, runs):.1%} |", flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 400)

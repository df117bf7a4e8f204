"""How often two equal arms get a winner, when somebody looks 100 or 120 times.

``python benchmarks/false_winners.py`` prints two Markdown tables: one request per user (120 looks),
and 10 to 30 requests per user in random order (100 looks), beside what a fixed-horizon z test of
requests, looked at as often, would have said.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from simulate import LIMIT, growing_sums, log_e_of, share

from raxe_abtest.statistics.sums import Sums

SPLITS = {"50/50": 0.5, "90/10": 0.1, "99/1": 0.01}
RATES = (0.5, 0.9, 0.98)


def single(rng: np.random.Generator, rate: float, split: float, users: int, looks: int) -> bool:
    """Run one experiment with one request per user; whether it named a winner."""
    in_b, right = rng.random(users) < split, rng.random(users) < rate
    at = np.linspace(0, users, looks + 1)[1:].astype(int) - 1
    n_b, s_b, s_all = np.cumsum(in_b)[at], np.cumsum(in_b & right)[at], np.cumsum(right)[at]
    for n, nb, sb, s in zip(at + 1, n_b, s_b, s_all, strict=True):
        a, b = _of(int(n - nb), int(s - sb)), _of(int(nb), int(sb))
        if log_e_of(a, b, 1 - split) >= LIMIT:
            return True
    return False


def clustered(
    rng: np.random.Generator, rate: float, split: float, users: int, looks: int
) -> tuple[bool, bool]:
    """Run one experiment with 10 to 30 requests per user: (winner here, winner by naive z)."""
    requests = rng.integers(10, 31, users)
    strength = 8.0  # of the beta distribution of users' rates: an ICC of 1/9
    rates = rng.beta(rate * strength, (1 - rate) * strength, users)
    user = np.repeat(np.arange(users), requests)
    rng.shuffle(user)
    value = (rng.random(len(user)) < rates[user]).astype(float)
    in_b = rng.random(users) < split
    ours = naive = False
    for a, b in growing_sums(user, value, in_b, looks):
        ours = ours or log_e_of(a, b, 1 - split) >= LIMIT
        if min(a.m, b.m) >= 30:
            p = (a.s + b.s) / (a.m + b.m)
            se = (p * (1 - p) * (1 / a.m + 1 / b.m)) ** 0.5
            naive = naive or (se > 0 and abs(a.s / a.m - b.s / b.m) > 1.96 * se)
    return ours, naive


def _of(n: int, s: int) -> Sums:
    return Sums(n, s, n, s, s, n)


def main(runs: int, clustered_runs: int) -> None:
    """Print both tables."""
    started = time.time()
    print("| split | base rate | users | looks | runs | false winners | 95 % interval |")
    print("|---|---|---|---|---|---|---|")
    for name, split in SPLITS.items():
        for rate in RATES:
            rng = np.random.default_rng(1)
            wins = sum(single(rng, rate, split, 20_000, 120) for _ in range(runs))
            print(f"| {name} | {rate} | 20,000 | 120 | {runs:,} | {share(wins, runs)} |",
                  flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s\n")
    started = time.time()
    print("| split | base rate | users | requests per user | looks | runs | false winners "
          "| 95 % interval | naive z of requests |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for name, split in SPLITS.items():
        users = 8_000 if split == 0.01 else 1_500
        for rate in RATES:
            rng = np.random.default_rng(2)
            results = [clustered(rng, rate, split, users, 100) for _ in range(clustered_runs)]
            wins, naive = (sum(column) for column in zip(*results, strict=True))
            print(f"| {name} | {rate} | {users:,} | 10-30 | 100 | {clustered_runs:,} "
                  f"| {share(wins, clustered_runs)} | {naive / clustered_runs:.0%} |",
                  flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3] or ("2000", "1000")))

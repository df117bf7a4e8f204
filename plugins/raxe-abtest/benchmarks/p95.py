"""The p95 of latency: false winners under 100 looks, and how soon a slower model is found."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray
from simulate import LIMIT, Array, upper_bound

from raxe_abtest.statistics.quantile import (
    ACCURACY,
    cluster_icc,
    design_effect,
    fixed_interval,
    quantile_ratio,
)  # fmt: skip

LOG_GAMMA = float(np.log((1 + ACCURACY) / (1 - ACCURACY)))
Histogram = list[tuple[int, float]]


def run(
    rng: np.random.Generator, users: int, per_user: tuple[int, int], split: float, shift: float,
    alike: float, looks: int,
) -> tuple[int | None, bool]:  # fmt: skip
    """Run one experiment: (requests at which p95 was decided, whether fixed intervals parted)."""
    requests = rng.integers(per_user[0], per_user[1] + 1, users)
    user = np.repeat(np.arange(users), requests)
    rng.shuffle(user)
    in_b = rng.random(users) < split
    own = rng.normal(0, 0.6 * alike**0.5, users)
    noise = rng.normal(0, 0.6 * (1 - alike) ** 0.5, len(user))
    latency = 40 * np.exp(own[user] + noise) * np.where(in_b[user], 1 + shift, 1.0)
    bucket = np.ceil(np.log(latency) / LOG_GAMMA).astype(int)
    size, icc, icc_at, naive = len(user), [0.0, 0.0], 0, False
    for end in np.linspace(0, size, looks + 1)[1:].astype(int):
        seen, arms = user[:end], in_b[user[:end]]
        counts = np.bincount(seen, minlength=users).astype(float)
        per_arm = [counts[~in_b & (counts > 0)], counts[in_b & (counts > 0)]]
        if min(map(len, per_arm)) < 30:
            continue
        if end >= 1.2 * icc_at and per_user[1] > 1:
            icc = [_icc(seen[arms == arm], latency[:end][arms == arm]) for arm in (False, True)]
            icc_at = int(end)
        deffs = [design_effect(c, m.sum(), m @ m) for c, m in zip(icc, per_arm, strict=True)]
        a, b = (_histogram(bucket[:end][arms == arm]) for arm in (False, True))
        found = quantile_ratio(
            a, b, 0.95, (len(per_arm[0]), len(per_arm[1])), (deffs[0], deffs[1]), 5_000
        )
        left, right = fixed_interval(a, 0.95), fixed_interval(b, 0.95)
        if left and right and None not in (*left, *right):
            d = right.value - left.value
            half = np.hypot(*((q.high - q.low) / 2 for q in (left, right)))  # type: ignore[operator]
            naive = naive or bool(abs(d) > half)
        if found is not None and (found.low > 0 or found.high < 0 or found.log_e >= LIMIT):
            return int(end), naive
    return None, naive


def _histogram(buckets: NDArray[np.int64]) -> Histogram:
    values, counts = np.unique(buckets, return_counts=True)
    return list(zip(values.tolist(), counts.astype(float).tolist(), strict=True))


def _icc(user: NDArray[np.int64], latency: Array) -> float:
    order = np.argsort(user[:20_000], kind="stable")
    cuts = np.flatnonzero(np.diff(user[:20_000][order])) + 1
    p95 = float(np.quantile(latency, 0.95, method="inverted_cdf"))
    return cluster_icc([part.tolist() for part in np.split(latency[:20_000][order], cuts)], p95)


def main(runs: int) -> None:
    """Print two tables."""
    started = time.time()
    print("| split | requests per user | ICC of ln latency | users | looks | runs | false winners "
          "| 95 % upper bound | fixed intervals |\n|---|---|---|---|---|---|---|---|---|",
          flush=True)  # fmt: skip
    for split, name in ((0.5, "50/50"), (0.1, "90/10"), (0.01, "99/1")):
        for per_user, alike in (((1, 1), 0.0), ((10, 30), 0.3)):
            rng, users = np.random.default_rng(6), 10_000 if per_user[1] == 1 else 1_000
            users = users * 4 if split == 0.01 else users
            n = runs // 2 if split == 0.01 else runs
            results = [run(rng, users, per_user, split, 0.0, alike, 100) for _ in range(n)]
            wins = sum(stop is not None for stop, _ in results)
            naive = sum(flag for _, flag in results)
            print(f"| {name} | {per_user[0]}-{per_user[1]} | {alike} | {users:,} | 100 | {n} "
                  f"| {wins / n:.1%} | {upper_bound(wins, n):.1%} | {naive / n:.0%} |",
                  flush=True)  # fmt: skip
    print("\n| B slower by | mean requests until decided | decided by 40,000 |\n|---|---|---|")
    for shift in (0.1, 0.2):
        rng = np.random.default_rng(7)
        stops = [run(rng, 40_000, (1, 1), 0.5, shift, 0.0, 80)[0] for _ in range(runs // 2)]
        known = [stop for stop in stops if stop is not None]
        print(f"| {shift:.0%} | {np.mean([stop or 40_000 for stop in stops]):,.0f} "
              f"| {len(known) / len(stops):.0%} |", flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 40)

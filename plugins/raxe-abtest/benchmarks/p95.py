"""The p95 of latency: false winners under 100 looks, and how soon a slower model is found."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray
from simulate import ALPHA, BURN_IN, LIMIT, PLANNED, Array, growing_sums, share, sums_of

from raxe_abtest.statistics.quantile import (
    ACCURACY,
    design_effect,
    fixed_interval,
    icc_of,
    quantile_ratio,
)  # fmt: skip

LOG_GAMMA = float(np.log((1 + ACCURACY) / (1 - ACCURACY)))
Histogram = list[tuple[int, float]]
Users, Mask = NDArray[np.int64], NDArray[np.bool_]


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
    arms = [_Arm(user, latency, in_b[user] == arm, looks) for arm in (False, True)]
    ends = np.cumsum([len(part) for part in np.array_split(user, looks)])
    naive = False
    for look, both in enumerate(growing_sums(user, latency, in_b, looks)):
        if min(sums.k for sums in both) < BURN_IN:
            continue
        a, b = (arm.histogram(look) for arm in arms)
        deffs = [
            1.0 if per_user[1] == 1 else design_effect(arm.icc(int(ends[look])), sums.m, sums.mm)
            for arm, sums in zip(arms, both, strict=True)
        ]
        found = quantile_ratio(
            a, b, 0.95, (both[0].k, both[1].k), (deffs[0], deffs[1]), PLANNED, ALPHA
        )
        naive = naive or _parted(a, b)
        if found is not None and (found.low > 0 or found.high < 0 or found.log_e >= LIMIT):
            return int(ends[look]), naive
    return None, naive


class _Arm:
    """One arm's latencies as the store has them: a histogram, and a sample of the first ones."""

    def __init__(self, user: Users, latency: Array, mine: Mask, looks: int) -> None:
        at = np.flatnonzero(mine)
        bucket = np.ceil(np.log(latency[at]) / LOG_GAMMA).astype(int)
        self._first = bucket.min()
        width = bucket.max() - self._first + 1
        sizes = [len(part) for part in np.array_split(user, looks)]
        look = np.repeat(np.arange(looks), sizes)[at]
        counts = np.bincount(look * width + bucket - self._first, minlength=looks * width)
        self._counts = counts.reshape(looks, width).cumsum(axis=0)
        self._at, self._user, self._latency = at, user[at], latency[at]
        self._icc, self._icc_at = 0.0, 0

    def histogram(self, look: int) -> Histogram:
        """Return the sorted buckets at a look."""
        row = self._counts[look]
        filled = np.flatnonzero(row)
        return list(
            zip((filled + self._first).tolist(), row[filled].astype(float).tolist(), strict=True)
        )

    def icc(self, end: int) -> float:
        """Return how alike one user's latencies are; measured anew when they are a fifth more."""
        seen = int(np.searchsorted(self._at, end))
        if seen >= 1.2 * self._icc_at:
            p95 = np.quantile(self._latency[:seen], 0.95, method="inverted_cdf")
            kept = slice(0, min(seen, 20_000))
            below = (self._latency[kept] <= p95).astype(float)
            s, m = np.bincount(self._user[kept], below), np.bincount(self._user[kept])
            self._icc, self._icc_at = icc_of(sums_of(s, m.astype(float))), seen
        return self._icc


def _parted(a: Histogram, b: Histogram) -> bool:
    """Tell whether the intervals that are made for one look have parted."""
    left, right = fixed_interval(a, 0.95), fixed_interval(b, 0.95)
    if left is None or right is None or None in (*left, *right):
        return False
    half = np.hypot(*((q.high - q.low) / 2 for q in (left, right)))  # type: ignore[operator]
    return bool(abs(right.value - left.value) > half)


def main(runs: int) -> None:
    """Print two tables."""
    started = time.time()
    print("| split | requests per user | ICC of ln latency | users | looks | runs | false winners "
          "| 95 % interval | fixed intervals |\n|---|---|---|---|---|---|---|---|---|",
          flush=True)  # fmt: skip
    for split, name in ((0.5, "50/50"), (0.1, "90/10"), (0.01, "99/1")):
        for per_user, alike in (((1, 1), 0.0), ((10, 30), 0.3)):
            rng, users = np.random.default_rng(6), 10_000 if per_user[1] == 1 else 1_000
            users = users * 4 if split == 0.01 else users
            results = [run(rng, users, per_user, split, 0.0, alike, 100) for _ in range(runs)]
            wins = sum(stop is not None for stop, _ in results)
            naive = sum(flag for _, flag in results)
            print(f"| {name} | {per_user[0]}-{per_user[1]} | {alike} | {users:,} | 100 | {runs:,} "
                  f"| {share(wins, runs)} | {naive / runs:.0%} |", flush=True)  # fmt: skip
    print("\n| B slower by | runs | mean requests until decided | decided by 40,000 |")
    print("|---|---|---|---|")
    for shift in (0.1, 0.2):
        rng = np.random.default_rng(7)
        stops = [run(rng, 40_000, (1, 1), 0.5, shift, 0.0, 80)[0] for _ in range(runs)]
        known = [stop for stop in stops if stop is not None]
        print(f"| {shift:.0%} | {runs:,} | {np.mean([stop or 40_000 for stop in stops]):,.0f} "
              f"| {len(known) / len(stops):.0%} |", flush=True)  # fmt: skip
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000)

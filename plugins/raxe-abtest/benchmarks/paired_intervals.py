"""How often the interval of shadow mode misses where the models seldom differ, and one way."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from simulate import ALPHA, BURN_IN, share

from raxe_abtest.statistics.paired import paired_effect, paired_interval
from raxe_abtest.statistics.sequential import multiplier
from raxe_abtest.statistics.sums import Sums

USERS, EVERY = 4_000, 10
# The shares of users whose pairs all favour B or A, pairs per user, planned users.
CASES = [
    (0.01, 0.0, (1, 1), 5_000),
    (0.03, 0.0, (1, 1), 5_000),
    (0.99, 0.0, (1, 1), 5_000),
    (0.01, 0.0, (10, 30), 5_000),
    (0.01, 0.0, (1, 50), 5_000),
    (0.01, 0.0, (1, 1), 100),
    (0.01, 0.0, (1, 50), 100),
    (0.9, 0.1, (1, 1), 100),
]


def looks(rng: np.random.Generator, b: float, a: float, pairs: tuple[int, int]) -> Iterator[Sums]:
    """Yield the sums at each look."""
    m = rng.integers(pairs[0], pairs[1] + 1, USERS).astype(float)
    draw = rng.random(USERS)
    s = np.where(draw < b, m, np.where(draw < b + a, -m, 0.0))
    sums = np.cumsum([np.ones(USERS), s, m, s * s, s * m, m * m], axis=1)
    for user in range(BURN_IN, USERS + 1, EVERY):
        yield Sums(*sums[:, user - 1].tolist())


def without_prior(sums: Sums, planned: float) -> tuple[float, float] | None:
    """Return the interval with the variance that was seen."""
    effect = paired_effect(sums)
    if effect is None or effect.se == 0:
        return None
    half = multiplier(effect.size, planned, ALPHA) * effect.se
    return effect.d - half, effect.d + half


def main(runs: int) -> None:
    """Print a table."""
    print("| users all for B | all for A | pairs per user | planned users | runs "
          "| missed with the variance seen | missed | 95 % interval |\n"
          "|---|---|---|---|---|---|---|---|")  # fmt: skip
    for b, a, pairs, planned in CASES:
        rng, missed, plain = np.random.default_rng(7), 0, 0
        for _ in range(runs):
            hit, hit_plain = True, True
            for sums in looks(rng, b, a, pairs):
                found, seen = paired_interval(sums, planned), without_prior(sums, planned)
                hit = hit and found is not None and found[0] <= b - a <= found[1]
                hit_plain = hit_plain and (seen is None or seen[0] <= b - a <= seen[1])
                if not hit and not hit_plain:
                    break
            missed, plain = missed + (not hit), plain + (not hit_plain)
        print(f"| {b:.0%} | {a:.0%} | {pairs[0]}-{pairs[1]} | {planned:,} | {runs:,} "
              f"| {plain / runs:.1%} | {share(missed, runs)} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000)

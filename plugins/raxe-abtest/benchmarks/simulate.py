"""Shared by the simulations: arrivals in numpy, decisions by the plugin's own code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raxe_abtest.comparison import effects_of
from raxe_abtest.statistics.fixed import wilson
from raxe_abtest.statistics.sequential import log_average, log_e_mean, log_e_proportions
from raxe_abtest.statistics.sums import Sums

__all__ = [
    "ALPHA", "BURN_IN", "LIMIT", "PLANNED", "Array", "growing_sums", "log_e_of", "share", "sums_of",
]  # fmt: skip

Array = NDArray[np.float64]
ALPHA = 0.05
LIMIT = float(np.log(1 / ALPHA))
BURN_IN = 30
PLANNED = 5_000


def log_e_of(a: Sums, b: Sums, share_a: float, *, proportion: bool = True) -> float:
    """Return the evidence of one look, as a report has it."""
    needed = BURN_IN if proportion else 100
    if min(a.k, b.k) < needed:
        return 0.0
    test, _ = effects_of(a, b, proportion=proportion)
    if test is None:
        return 0.0
    log_e = log_e_mean(test, PLANNED, ALPHA)
    if proportion and a.binary and b.binary:
        exact = log_e_proportions(a.m - a.s, b.m - b.s, share_a)
        return log_average(log_e, exact)
    return log_e


def growing_sums(
    user: NDArray[np.int64], value: Array, in_b: NDArray[np.bool_], looks: int
) -> Iterator[tuple[Sums, Sums]]:
    """Yield both arms' sums at equally spaced looks; requests come in the order given.

    What each request adds to the sums is worked out for all of them at once.
    """
    order = np.argsort(user, kind="stable")
    mine, values = user[order], value[order]
    starts = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]])
    sizes = np.diff(np.r_[starts, len(mine)])
    m = np.arange(len(mine)) - np.repeat(starts, sizes)  # the user's earlier requests
    total = np.cumsum(values)
    s = total - values - np.repeat((total - values)[starts], sizes)  # and their sum
    new_s = s + values
    added = np.empty((6, len(mine)))
    added[:, order] = (
        m == 0, values, np.ones(len(mine)), new_s**2 - s**2, new_s * (m + 1) - s * m, 2 * m + 1,
    )  # fmt: skip
    ends = np.r_[0, np.cumsum([len(part) for part in np.array_split(user, looks)])[:-1]]
    arms = [
        np.add.reduceat(np.where(in_b[user] == arm, added, 0.0), ends, axis=1).cumsum(axis=1)
        for arm in (False, True)
    ]
    for look in range(looks):
        yield Sums(*arms[0][:, look].tolist()), Sums(*arms[1][:, look].tolist())


def share(wins: int, runs: int) -> str:
    """Return two cells of a table: a simulated rate, and its 95 % Wilson interval."""
    low, high = wilson(wins, runs)
    return f"{wins / runs:.1%} | {100 * low:.1f} to {100 * high:.1f}%"


def sums_of(s: Array, m: Array) -> Sums:
    """Return the sums over users of their sums ``s`` and numbers ``m`` of values."""
    return Sums(
        float(np.count_nonzero(m)), float(s.sum()), float(m.sum()),
        float(s @ s), float(s @ m), float(m @ m),
    )  # fmt: skip

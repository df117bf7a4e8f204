"""Shared by the simulations: arrivals in numpy, decisions by the plugin's own code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raxe_abtest.comparison import effects_of
from raxe_abtest.statistics.sequential import log_average, log_e_mean, log_e_proportions
from raxe_abtest.statistics.sums import Sums

__all__ = ["BURN_IN", "LIMIT", "Array", "growing_sums", "log_e_of", "upper_bound"]

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
    """Yield both arms' sums at equally spaced looks; requests come in the order given."""
    s, m = np.zeros(len(in_b)), np.zeros(len(in_b))
    for part_user, part_value in zip(
        np.array_split(user, looks), np.array_split(value, looks), strict=True
    ):
        s += np.bincount(part_user, weights=part_value, minlength=len(in_b))
        m += np.bincount(part_user, minlength=len(in_b))
        yield _sums(s[~in_b], m[~in_b]), _sums(s[in_b], m[in_b])


def upper_bound(wins: int, n: int) -> float:
    """Return the upper end of the 95 % Wilson interval of a simulated rate."""
    from raxe_abtest.statistics.fixed import wilson

    return wilson(wins, n)[1]


def _sums(s: Array, m: Array) -> Sums:
    return Sums(
        float(np.count_nonzero(m)), float(s.sum()), float(m.sum()),
        float(s @ s), float(s @ m), float(m @ m),
    )  # fmt: skip

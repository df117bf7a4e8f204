"""Confidence sequences and e-values: true at every look, however often one looks.

An e-value is fair money bet against the null hypothesis: its expectation is at most 1 at any look,
so it exceeds 1/alpha with probability at most alpha, ever (Ville 1939). p = 1/e.
"""

from __future__ import annotations

import math

from raxe_abtest.statistics.special import log_beta
from raxe_abtest.statistics.sums import Effect

__all__ = [
    "beta_binomial_interval",
    "log_average",
    "log_e_binomial",
    "log_e_mean",
    "log_e_proportions",
    "multiplier",
    "p_from_log_e",
    "rho_squared",
    "size_needed",
]

LINDON_MALEK_K = 50.0


def rho_squared(planned: float, alpha: float = 0.05) -> float:
    """Return the mixture's parameter that makes the interval tightest at ``planned`` users.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476), appendix B.2.
    """
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned


def multiplier(size: float, planned: float, alpha: float = 0.05) -> float:
    """Return what replaces 1.96: the interval is ``d ± multiplier · se`` at every look.

    Robbins' normal mixture as in equation 9 of arXiv 2103.06476, with the effective number of users
    ``4·nA·nB/(nA+nB)`` as time, so that it stays true at 99/1 splits.
    """
    t_rho = size * rho_squared(planned, alpha)
    return math.sqrt(2 * (t_rho + 1) / t_rho * math.log(math.sqrt(t_rho + 1) / alpha))


def log_e_mean(effect: Effect, planned: float, alpha: float = 0.05) -> float:
    """Return ln e of a difference under the normal mixture; 0 where nothing varies."""
    if effect.se <= 0 or effect.size <= 0:
        return 0.0
    z = effect.d / effect.se
    t_rho = effect.size * rho_squared(planned, alpha)
    return t_rho * z * z / (2 * (t_rho + 1)) - 0.5 * math.log(t_rho + 1)


def log_e_proportions(fail_a: float, fail_b: float, share_a: float) -> float:
    """Return ln e of where the failures fell: exact, at any split and under a drifting base rate.

    Lindon and Malek (NeurIPS 2022, arXiv 2011.03567): without a difference each failure falls into
    arm A with probability ``share_a``. Needs one outcome per user.
    """
    if not 0 < share_a < 1:
        return 0.0
    return log_e_binomial(fail_a, fail_b, share_a, LINDON_MALEK_K)


def log_e_binomial(x: float, rest: float, share: float, k: float) -> float:
    """Return ln e against ``x`` of ``x + rest`` being drawn with probability ``share``.

    A Beta(k·share, k·(1 - share)) mixture; exact at every look.
    """
    a, b = k * share, k * (1 - share)
    return (
        log_beta(a + x, b + rest) - log_beta(a, b) - x * math.log(share) - rest * math.log1p(-share)
    )


def log_average(*logs: float) -> float:
    """Return ln of the mean of e-values, which is an e-value again."""
    top = max(logs)
    return top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))


def p_from_log_e(log_e: float) -> float:
    """Return the anytime p-value min(1, 1/e)."""
    return min(1.0, math.exp(-log_e)) if log_e > 0 else 1.0


def beta_binomial_interval(x: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Return the confidence sequence of one proportion: where the Beta(1,1) mixture bets < 1/alpha.

    Robbins (1970); Howard, Ramdas, McAuliffe and Sekhon (2021). Finite and inside [0, 1] at any n.
    """
    if n <= 0:
        return 0.0, 1.0
    bet = log_beta(x + 1, n - x + 1)
    limit = -math.log(alpha)

    def excluded(p: float) -> bool:
        against = (x * math.log(p) if x else 0.0) + ((n - x) * math.log1p(-p) if n > x else 0.0)
        return bet - against > limit

    centre = x / n
    low = 0.0 if x <= 0 else _edge(excluded, 0.0, centre)
    high = 1.0 if x >= n else 1 - _edge(lambda p: excluded(1 - p), 0.0, 1 - centre)
    return low, high


def _edge(excluded: object, outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        if middle in (0.0, 1.0) or excluded(middle):  # type: ignore[operator]
            outside = middle
        else:
            inside = middle
    return outside


def size_needed(effect: Effect, planned: float, alpha: float = 0.05) -> float | None:
    """Return the effective size at which this difference would be decided, None if never (d = 0).

    The standard error is taken to fall with the root of the size.
    """
    if effect.se <= 0 or effect.d == 0:
        return None
    per_user = (effect.d / effect.se) ** 2 / effect.size  # z² gained per user
    goal, rho = -math.log(alpha), rho_squared(planned, alpha)

    def log_e(size: float) -> float:
        return size * rho * per_user * size / (2 * (size * rho + 1)) - 0.5 * math.log1p(size * rho)

    high = 1.0
    while log_e(high) < goal:
        high *= 2
        if high > 1e12:
            return None
    low = high / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if log_e(middle) < goal else (low, middle)
    return high

"""Running sums per arm, by user: all that the inference needs, whatever the number of events.

The user is the unit that was randomised, so the variance is taken between users: with the sum S
and the number M of each user's values, the mean per request is a ratio of sums, ``mu = ΣS / ΣM``,
with the delta-method variance ``K/(K-1) · Σ(S - mu·M)² / (ΣM)²`` (Deng, Knoblich and Lu, KDD 2018).
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Effect", "Sums", "difference", "effective_size", "stratified"]


class Sums(NamedTuple):
    """K users; sums of S, M, S², S·M and M² over them."""

    k: float = 0.0
    s: float = 0.0
    m: float = 0.0
    ss: float = 0.0
    sm: float = 0.0
    mm: float = 0.0

    @classmethod
    def of_values(cls, values: list[float]) -> Sums:
        """Return the sums of users with one value each."""
        n = float(len(values))
        return cls(n, math.fsum(values), n, math.fsum(v * v for v in values), math.fsum(values), n)

    def plus(self, other: Sums) -> Sums:
        """Return the sums of both groups of users."""
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def mean(self) -> float | None:
        """The mean per request, None without any."""
        return self.s / self.m if self.m > 0 else None

    @property
    def one_each(self) -> bool:
        """Whether every user has exactly one value."""
        return self.k > 0 and self.mm == self.m == self.k

    @property
    def binary(self) -> bool:
        """Whether, with one value each, all values are 0 or 1."""
        return self.one_each and abs(self.ss - self.s) <= 1e-9 * max(1.0, self.s)

    def residual(self, mu: float) -> float:
        """Return Σ(S - mu·M)²."""
        return max(0.0, self.ss - 2 * mu * self.sm + mu * mu * self.mm)

    def variance(self, mu: float | None = None) -> float | None:
        """Return the variance of the mean, None below two users."""
        if self.k < 2 or self.m <= 0:
            return None
        centre = self.s / self.m if mu is None else mu
        value = self.k / (self.k - 1) * self.residual(centre) / self.m**2
        # What is left of two equal numbers is rounding, not spread.
        return value if value > 1e-15 * self.ss / self.m**2 else 0.0

    def with_prior(self) -> Sums:
        """Return the sums with one more success and one more failure (Agresti and Caffo, 2000).

        The prior is two users of the average number of requests, all right and all wrong, so that
        an arm that never failed still has a spread.
        """
        if self.k == 0:
            return self
        m = self.m / self.k
        return self.plus(Sums(2, m, 2 * m, m * m, m * m, 2 * m * m))


class Effect(NamedTuple):
    """A difference, its standard error and its effective number of users."""

    d: float
    se: float
    size: float


def effective_size(a: float, b: float) -> float:
    """Return 4·a·b/(a+b): the size of the even split that knows as much as this one."""
    return 4 * a * b / (a + b) if a > 0 and b > 0 else 0.0


def difference(a: Sums, b: Sums, *, pooled: bool = False, prior: bool = False) -> Effect | None:
    """Return mean(b) - mean(a), None below two users in an arm.

    ``pooled`` takes the spread that both arms share under the null hypothesis of no difference;
    ``prior`` adds a success and a failure to each arm before the variance.
    """
    if a.k < 2 or b.k < 2 or a.m <= 0 or b.m <= 0:
        return None
    d = b.s / b.m - a.s / a.m
    size = effective_size(a.k, b.k)
    if pooled:
        both = a.plus(b)
        mu = both.s / both.m
        # With one 0/1 value each this is the textbook p(1-p)(1/nA + 1/nB).
        per_user = both.residual(mu) / (both.k if both.one_each else both.k - 1)
        variance = per_user * (a.k / a.m**2 + b.k / b.m**2)
        if variance <= 1e-15 * (both.ss / both.m**2):
            variance = 0.0
    else:
        left = a.with_prior() if prior else a
        right = b.with_prior() if prior else b
        variance = (left.variance() or 0.0) + (right.variance() or 0.0)
    return Effect(d, math.sqrt(variance), size)


def stratified(effects: list[Effect]) -> Effect | None:
    """Combine epochs, each weighted by its effective size; no epoch is compared with another."""
    total = sum(effect.size for effect in effects)
    if not total:
        return None
    d = sum(effect.d * effect.size for effect in effects) / total
    se = math.sqrt(sum((effect.se * effect.size) ** 2 for effect in effects)) / total
    return Effect(d, se, total)

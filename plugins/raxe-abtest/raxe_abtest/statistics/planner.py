"""How many users an experiment needs."""

from __future__ import annotations

import math
from typing import NamedTuple

from raxe_abtest.errors import SettingsError
from raxe_abtest.statistics.special import normal_quantile
from raxe_abtest.statistics.sums import effective_size

__all__ = ["Plan", "mean_size", "paired_size", "plan", "proportion_size"]

# Measured in benchmarks/power.py: what looking whenever one likes costs.
ANYTIME_FACTOR = 1.65  # of the fixed size, for 80 % power by then
EXPECTED_FACTOR = 1.2  # of the fixed size, on average until it is decided
MOST = 1e15  # requests; more is a mistake in the figures


class Plan(NamedTuple):
    """Users and requests of both arms together.

    ``fixed`` is for one look at the end, ``anytime`` for power by then however often one looks,
    ``expected`` the average when the difference is real.
    """

    fixed: int
    anytime: int
    expected: int
    requests: int
    design_effect: float
    days: float | None
    planned_users: int


def plan(
    baseline: float,
    effect: float,
    *,
    split: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    requests_per_user: float = 1.0,
    icc: float = 0.0,
    cv: float = 0.0,
    deviation: float | None = None,
    discordance: float | None = None,
    users_per_day: float | None = None,
) -> Plan:
    """Plan a comparison of proportions; of means where a standard ``deviation`` is given.

    ``effect`` is the smallest difference that matters. With ``discordance``, the share of prompts
    on which the models differ, it is a paired comparison in shadow mode. ``icc`` says how alike one
    user's outcomes are, ``cv`` how much users differ in their number of requests.

    Raises:
        SettingsError: the figures do not fit together.
    """
    positive = {
        "effect": abs(effect), "requests_per_user": requests_per_user, "deviation": deviation,
        "users_per_day": users_per_day,
    }  # fmt: skip
    for name, value in positive.items():
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"{name} must be finite and more than 0, not {value:g}.")
    if not 0 < alpha < 1 or not alpha / 2 < power < 1 or not 0 < split < 1:
        raise SettingsError("alpha, power and split must be within 0 to 1.")
    if requests_per_user < 1 or not 0 <= icc <= 1 or not 0 <= cv < math.inf:
        raise SettingsError("requests_per_user must be 1 or more, icc within 0 to 1, cv 0 or more.")
    try:
        requests = _requests(baseline, effect, split, alpha, power, deviation, discordance)
        design = 1 + (requests_per_user * (1 + cv * cv) - 1) * icc
        users = requests * design / requests_per_user
    except (ArithmeticError, ValueError):  # rounded to 0, or beyond what a float holds
        users = math.inf
    if not users * requests_per_user <= MOST:
        raise SettingsError(
            f"No experiment finds an effect of {effect:g} with these figures: it takes more than "
            f"{MOST:.0e} requests."
        )
    anytime = math.ceil(users * ANYTIME_FACTOR)
    size = effective_size(users * split, users * (1 - split))
    return Plan(
        math.ceil(users),
        anytime,
        math.ceil(users * EXPECTED_FACTOR),
        math.ceil(users * EXPECTED_FACTOR * requests_per_user),
        design,
        None if users_per_day is None else users * EXPECTED_FACTOR / users_per_day,
        max(10, math.ceil(size)),
    )


def _requests(
    baseline: float, effect: float, split: float, alpha: float, power: float,
    deviation: float | None, discordance: float | None,
) -> float:  # fmt: skip
    """Return the requests of both arms, were each of another user."""
    if discordance is not None:
        return paired_size(discordance, effect, alpha, power)
    if deviation is not None:
        even = 2 * mean_size(deviation, effect, alpha, power)
        return even / (4 * split * (1 - split))
    if not 0 <= baseline <= 1 or not 0 <= baseline + effect <= 1:
        raise SettingsError("baseline and baseline + effect must be within 0 to 1.")
    ratio = split / (1 - split)
    return (1 + ratio) * proportion_size(baseline, baseline + effect, alpha, power, ratio)


def proportion_size(
    p_a: float, p_b: float, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> float:
    """Return the size of arm A, arm B having ``ratio`` times as many (Fleiss, unpooled)."""
    z = normal_quantile(1 - alpha / 2) + normal_quantile(power)
    return z * z * (p_a * (1 - p_a) + p_b * (1 - p_b) / ratio) / (p_b - p_a) ** 2


def mean_size(deviation: float, effect: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the size of each arm."""
    z = normal_quantile(1 - alpha / 2) + normal_quantile(power)
    return 2 * (z * deviation / effect) ** 2


def paired_size(
    discordance: float, effect: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the number of pairs (Connor, 1987)."""
    if not abs(effect) <= discordance <= 1:
        raise SettingsError("The discordance must be at least the effect, and at most 1.")
    z_alpha, z_beta = normal_quantile(1 - alpha / 2), normal_quantile(power)
    spread = math.sqrt(discordance - effect * effect)
    return (z_alpha * math.sqrt(discordance) + z_beta * spread) ** 2 / effect**2

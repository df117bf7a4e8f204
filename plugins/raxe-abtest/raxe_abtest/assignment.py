"""Who gets which variant: a keyed hash, half-open ranges, and no state.

The default ``raxe1`` takes ``u64 = BLAKE2b-64(key=secret, experiment key + 0x00 + id)`` and its
upper 53 bits as the point. Variant ``i`` owns the points from ``ceil(W_i * 2^53)`` up to the next
variant's, ``W_i`` being the weights before it. Without a secret the first eight bytes of SHA-256 of
the same message are used. Coverage and namespace have salts of their own, so ramping up never
moves a user from one arm to another.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from raxe_abtest.compat import CHOOSERS
from raxe_abtest.config import Experiment, Namespace

__all__ = ["HASHES", "Chooser", "chooser"]

POINTS = 1 << 53
HASHES = ("raxe1", *CHOOSERS)

Chooser = Callable[[str], "int | None"]


def chooser(experiment: Experiment, secret: bytes | None) -> Chooser:
    """Return the function from a unit id to the number of its variant, None for outside."""
    if experiment.hash == "raxe1":
        choose = _raxe1(experiment, secret)
        gated = experiment.coverage < 1
    else:
        choose, gated = CHOOSERS[experiment.hash](experiment), False
        if experiment.hash in ("flagd_v2", "launchdarkly", "eppo"):
            gated = experiment.coverage < 1
    if gated:
        choose = _covered(choose, experiment, secret)
    if experiment.namespace is not None:
        choose = _in_namespace(choose, experiment, experiment.namespace, secret)
    return choose


def _raxe1(experiment: Experiment, secret: bytes | None) -> Chooser:
    starts = range_starts(experiment.weights)
    prepared = _state(f"{experiment.key}\0", secret, b"").copy
    from_bytes = int.from_bytes
    if len(starts) == 2:  # the common case, without a search
        second = starts[1] << 11  # against the whole number, so that nothing need be shifted
        if secret is None:
            second <<= 192  # SHA-256 has 24 bytes more than the eight that count

        def choose_of_two(unit: str) -> int:
            state = prepared()
            state.update(unit.encode("utf-8", "surrogatepass"))
            return 1 if from_bytes(state.digest(), "big") >= second else 0

        return choose_of_two

    def choose(unit: str) -> int:
        state = prepared()
        state.update(unit.encode("utf-8", "surrogatepass"))
        return bisect_right(starts, from_bytes(state.digest()[:8], "big") >> 11) - 1

    return choose


def range_starts(weights: tuple[int, ...]) -> list[int]:
    """Return the first point of each variant, in whole numbers; a weight of 0 owns none."""
    total = sum(weights)
    return [-(-sum(weights[:i]) * POINTS // total) for i in range(len(weights))]


def _point(text: str, unit: str, secret: bytes | None, purpose: bytes) -> float:
    state = _state(f"{text}\0", secret, purpose)
    state.update(unit.encode("utf-8", "surrogatepass"))
    return (int.from_bytes(state.digest()[:8], "big") >> 11) / POINTS


def _state(text: str, secret: bytes | None, purpose: bytes) -> Any:
    """Return a hash that has read the salt; ``purpose`` keeps coverage, namespace, arm apart."""
    data = text.encode("utf-8", "surrogatepass")
    if secret is None:
        return hashlib.sha256((purpose + b"\0" if purpose else b"") + data)
    return hashlib.blake2b(data, key=secret, digest_size=8, person=purpose)


def _covered(choose: Chooser, experiment: Experiment, secret: bytes | None) -> Chooser:
    def gated(unit: str) -> int | None:
        point = _point(experiment.key, unit, secret, b"coverage")
        return choose(unit) if point < experiment.coverage else None

    return gated


def _in_namespace(
    choose: Chooser, experiment: Experiment, namespace: Namespace, secret: bytes | None
) -> Chooser:
    """Experiments of one namespace with ranges that do not overlap share no user."""
    compatible = experiment.hash.startswith("growthbook")

    def gated(unit: str) -> int | None:
        if compatible:
            from raxe_abtest.compat import growthbook_point

            point = growthbook_point(f"__{namespace.name}", unit, 1)
        else:
            point = _point(namespace.name, unit, secret, b"namespace")
        return choose(unit) if namespace.start <= point < namespace.end else None

    return gated

"""The assignment of other tools, byte for byte, for experiments that move here while they run.

Sources: GrowthBook's SDK specification (FNV-1a 32, versions 1 and 2), Unleash's client
specification (murmur3), flagd's fractional operation, the SDKs of LaunchDarkly and Eppo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import accumulate

from raxe_abtest.config import Experiment

__all__ = ["CHOOSERS", "fnv1a32", "growthbook_point", "murmur3_32"]

UNLEASH_VARIANT_SEED = 86028157
LAUNCHDARKLY_SCALE = 0xFFFFFFFFFFFFFFF
EPPO_SHARDS = 10_000


def fnv1a32(text: str) -> int:
    """Return the FNV-1a hash over UTF-16 code units, as JavaScript's ``charCodeAt`` gives them."""
    value = 0x811C9DC5
    data = text.encode("utf-16-le", "surrogatepass")
    for low, high in zip(data[::2], data[1::2], strict=True):
        value = ((value ^ (low | high << 8)) * 0x01000193) & 0xFFFFFFFF
    return value


def growthbook_point(seed: str, value: str, version: int) -> float:
    """Return GrowthBook's point in [0, 1) for hash version 1 or 2."""
    if version == 1:
        return fnv1a32(value + seed) % 1000 / 1000
    return fnv1a32(str(fnv1a32(seed + value))) % 10000 / 10000


def growthbook_ranges(weights: tuple[float, ...], coverage: float) -> list[tuple[float, float]]:
    """Return GrowthBook's bucket ranges: the starts stay when the coverage changes."""
    if not 0.99 <= sum(weights) <= 1.01:
        weights = (1 / len(weights),) * len(weights)
    starts = [0.0, *accumulate(weights)]
    return [(start, start + coverage * weight) for start, weight in zip(starts, weights)]  # noqa: B905


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """Return MurmurHash3 x86 32-bit as an unsigned number (Appleby, public domain)."""
    mask, value = 0xFFFFFFFF, seed
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        value ^= _murmur_mix(int.from_bytes(data[start : start + 4], "little"))
        value = ((value << 13 | value >> 19) * 5 + 0xE6546B64) & mask
    if whole < len(data):
        value ^= _murmur_mix(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & mask
    value = (value ^ value >> 13) * 0xC2B2AE35 & mask
    return value ^ value >> 16


def _murmur_mix(block: int) -> int:
    block = block * 0xCC9E2D51 & 0xFFFFFFFF
    return (block << 15 | block >> 17) * 0x1B873593 & 0xFFFFFFFF


def _growthbook(version: int) -> Callable[[Experiment], Callable[[str], int | None]]:
    def build(experiment: Experiment) -> Callable[[str], int | None]:
        ranges = growthbook_ranges(experiment.shares, experiment.coverage)

        def choose(unit: str) -> int | None:
            point = growthbook_point(experiment.seed, unit, version)
            found = (i for i, (start, end) in enumerate(ranges) if start <= point < end)
            return next(found, None)

        return choose

    return build


def _unleash(experiment: Experiment) -> Callable[[str], int | None]:
    """The rollout percentage gates with seed 0; variants have weights in thousandths."""
    weights = [round(share * 1000) for share in experiment.shares]
    total = sum(weights)
    ends = list(accumulate(weights))

    def choose(unit: str) -> int | None:
        data = f"{experiment.seed}:{unit}".encode("utf-8", "surrogatepass")
        if murmur3_32(data) % 100 + 1 > experiment.coverage * 100:
            return None
        value = murmur3_32(data, UNLEASH_VARIANT_SEED) % total + 1
        return next(i for i, end in enumerate(ends) if end >= value)

    return choose


def _flagd_v2(experiment: Experiment) -> Callable[[str], int | None]:
    total = sum(experiment.weights)
    ends = list(accumulate(experiment.weights))

    def choose(unit: str) -> int | None:
        data = (experiment.seed + unit).encode("utf-8", "surrogatepass")
        value = murmur3_32(data) * total >> 32
        return next(i for i, end in enumerate(ends) if value < end)

    return choose


def _launchdarkly(experiment: Experiment) -> Callable[[str], int | None]:
    """``key`` and ``salt`` are the flag's; weights are in hundred thousandths."""
    weights = [round(share * 100_000) for share in experiment.shares]

    def choose(unit: str) -> int | None:
        text = f"{experiment.key}.{experiment.salt}.{unit}"
        digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False)
        bucket = int(digest.hexdigest()[:15], 16) / LAUNCHDARKLY_SCALE
        end = 0.0
        for number, weight in enumerate(weights):
            end += weight / 100_000
            if bucket < end:
                return number
        return len(weights) - 1

    return choose


def _eppo(experiment: Experiment) -> Callable[[str], int | None]:
    ends = list(accumulate(round(share * EPPO_SHARDS) for share in experiment.shares))

    def choose(unit: str) -> int | None:
        text = f"{experiment.seed}-{unit}".encode("utf-8", "surrogatepass")
        digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
        shard = int(digest[:8], 16) % EPPO_SHARDS
        return next((i for i, end in enumerate(ends) if shard < end), None)

    return choose


CHOOSERS: dict[str, Callable[[Experiment], Callable[[str], int | None]]] = {
    "growthbook_v1": _growthbook(1),
    "growthbook_v2": _growthbook(2),
    "unleash": _unleash,
    "flagd_v2": _flagd_v2,
    "launchdarkly": _launchdarkly,
    "eppo": _eppo,
}

"""The assignment of other tools, against their published algorithms written down once more."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_abtest.assignment import chooser
from raxe_abtest.compat import fnv1a32, growthbook_point, growthbook_ranges, murmur3_32
from raxe_abtest.config import Experiment, experiment_from

UNITS = st.text(min_size=1, max_size=60)


def experiment(kind: str, *weights: float, **settings: object) -> Experiment:
    listed = [{"model_id": f"m{n}", "weight": w} for n, w in enumerate(weights or (1, 1))]
    return experiment_from({"variants": listed, "key": "exp1", "hash": kind, **settings})


@pytest.mark.parametrize(
    ("seed", "value", "version", "point"),
    [
        # From the cases of GrowthBook's SDK specification.
        ("", "a", 1, 0.22),
        ("", "b", 1, 0.077),
        ("b", "a", 1, 0.946),
        ("", "def", 1, 0.652),
        ("seed", "a", 2, 0.0505),
        ("seed", "b", 2, 0.2696),
        ("foo", "ab", 2, 0.2575),
        ("exp1", "naïve", 2, 0.1265),
        ("exp1", "ユーザー", 2, 0.8546),
        ("exp1", "😀", 2, 0.3733),
    ],
)
def test_growthbook_points(seed: str, value: str, version: int, point: float) -> None:
    assert growthbook_point(seed, value, version) == point


def test_fnv_and_murmur_of_the_publications() -> None:
    assert fnv1a32("") == 0x811C9DC5
    assert fnv1a32("a") == 0xE40C292C
    assert fnv1a32("foobar") == 0xBF9CF968
    assert murmur3_32(b"") == 0
    assert murmur3_32(b"", 1) == 0x514E28B7
    assert murmur3_32(b"test") == 0xBA6BD213
    assert murmur3_32(b"Hello, world!") == 0xC0363E43
    assert murmur3_32(b"The quick brown fox jumps over the lazy dog", 0x9747B28C) == 0x2FA826CD


def test_growthbook_ranges_keep_their_start() -> None:
    assert growthbook_ranges((0.5, 0.5), 0.5) == [(0.0, 0.25), (0.5, 0.75)]
    assert growthbook_ranges((0.4, 0.4), 1.0) == [(0.0, 0.5), (0.5, 1.0)]
    choose = chooser(experiment("growthbook_v1", coverage=0.5), None)
    inside = {unit: choose(unit) for unit in map(str, range(2_000))}
    whole = chooser(experiment("growthbook_v1"), None)
    assert all(whole(unit) == number for unit, number in inside.items() if number is not None)


@given(UNITS)
def test_growthbook_sdk(unit: str) -> None:
    growthbook = pytest.importorskip("growthbook.core")
    for version in (1, 2):
        choose = chooser(experiment(f"growthbook_v{version}", 3, 7), None)
        n = growthbook.gbhash("exp1", unit, version)
        assert choose(unit) == (0 if n < 0.3 else 1)


def _murmur(data: bytes, seed: int) -> int:
    """MurmurHash3_x86_32 as in Appleby's C++ source, in signed steps of struct."""
    h, length = seed, len(data)
    blocks = struct.unpack(f"<{length // 4}I", data[: length // 4 * 4])

    def rotl(x: int, r: int) -> int:
        return ((x << r) | (x >> (32 - r))) & 0xFFFFFFFF

    for k in blocks:
        h ^= rotl(k * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
        h = (rotl(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    tail, k = data[length // 4 * 4 :], 0
    for position, byte in enumerate(tail):
        k |= byte << 8 * position
    h ^= rotl(k * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
    h ^= length
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> shift)) * factor & 0xFFFFFFFF
    return h ^ (h >> 16)


@given(UNITS)
def test_unleash(unit: str) -> None:
    data = f"exp1:{unit}".encode("utf-8", "surrogatepass")
    inside = _murmur(data, 0) % 100 + 1 <= 30
    value = _murmur(data, 86028157) % 1000 + 1
    expected = (0 if value <= 250 else 1) if inside else None
    assert chooser(experiment("unleash", 1, 3, coverage=0.3), None)(unit) == expected


@given(UNITS)
def test_flagd(unit: str) -> None:
    value = _murmur(("exp1" + unit).encode("utf-8", "surrogatepass"), 0) * 1_000_000 >> 32
    expected = 0 if value < 250_000 else 1
    assert chooser(experiment("flagd_v2", 1, 3), None)(unit) == expected


@given(UNITS)
def test_launchdarkly(unit: str) -> None:
    text = f"exp1.salt.{unit}".encode("utf-8", "surrogatepass")
    bucket = int(hashlib.sha1(text).hexdigest()[:15], 16) / 0xFFFFFFFFFFFFFFF
    expected = 0 if bucket < 0.25 else 1
    assert chooser(experiment("launchdarkly", 1, 3, salt="salt"), None)(unit) == expected


@given(UNITS)
def test_eppo(unit: str) -> None:
    text = f"the-salt-{unit}".encode("utf-8", "surrogatepass")
    shard = int(hashlib.md5(text).hexdigest()[:8], 16) % 10_000
    expected = 0 if shard < 2_500 else 1
    assert chooser(experiment("eppo", 1, 3, salt="the-salt"), None)(unit) == expected

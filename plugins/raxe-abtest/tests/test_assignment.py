"""Who gets which variant: the same everywhere, balanced, and unmoved by a ramp."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_abtest.assignment import chooser, range_starts
from raxe_abtest.config import Experiment, experiment_from
from raxe_abtest.statistics.srm import chi_squared
from raxe_abtest.units import pseudonym, unit_text

SECRET = b"a secret for tests"
UNITS = [f"user{number}" for number in range(20_000)]


def experiment(**settings: object) -> Experiment:
    return experiment_from({"variant_a": "A", "variant_b": "B", "key": "exp1", **settings})


def of_weights(*weights: float, **settings: object) -> Experiment:
    listed = [{"model_id": f"m{n}", "weight": weight} for n, weight in enumerate(weights)]
    return experiment_from({"variants": listed, "key": "exp1", **settings})


@given(st.text(min_size=1), st.floats(0.01, 0.99))
def test_the_hash_is_the_published_one(unit: str, split: float) -> None:
    made = experiment(traffic_split=split)
    data = b"exp1\0" + unit.encode("utf-8", "surrogatepass")
    for secret in (SECRET, None):
        if secret is None:
            digest = hashlib.sha256(data).digest()[:8]
        else:
            digest = hashlib.blake2b(data, key=secret, digest_size=8).digest()
        point = int.from_bytes(digest, "big") >> 11
        weight_a, weight_b = made.weights
        expected = int(point * (weight_a + weight_b) >= weight_a << 53)
        assert chooser(made, secret)(unit) == expected


def test_vectors_do_not_change() -> None:
    choose = chooser(of_weights(1, 1, 1), SECRET)
    units = ["user123", "1", "naïve", "ユーザー", "😀", "a" * 256]
    assert [choose(unit) for unit in units] == VECTORS


def test_another_interpreter_says_the_same() -> None:
    program = (
        "from raxe_abtest.assignment import chooser;"
        "from raxe_abtest.config import experiment_from;"
        "e = experiment_from({'variant_a': 'A', 'variant_b': 'B', 'key': 'exp1'});"
        f"c = chooser(e, {SECRET!r});"
        "print(''.join(str(c(f'user{n}')) for n in range(500)))"
    )
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        choose = chooser(experiment(), SECRET)
        assert done.stdout.strip() == "".join(str(choose(f"user{n}")) for n in range(500))


@pytest.mark.parametrize("weights", [(1, 1), (99, 1), (90, 10), (1, 2, 3, 4), (1, 0, 1)])
def test_shares_are_as_configured(weights: tuple[int, ...]) -> None:
    choose = chooser(of_weights(*weights), SECRET)
    counts = [0] * len(weights)
    for unit in UNITS:
        number = choose(unit)
        assert number is not None
        counts[number] += 1
    total = sum(weights)
    assert chi_squared(counts, [weight / total for weight in weights]) > 1e-4
    assert all(count == 0 for count, weight in zip(counts, weights, strict=True) if not weight)


@pytest.mark.parametrize("split", [0.0, 1.0])
def test_a_split_of_nothing_or_all_has_no_exceptions(split: float) -> None:
    choose = chooser(experiment(traffic_split=split), SECRET)
    assert {choose(unit) for unit in UNITS} == {int(split)}


@given(st.floats(0, 1), st.floats(0, 1), st.text(min_size=1))
def test_a_ramp_moves_nobody_to_another_arm(one: float, other: float, unit: str) -> None:
    low, high = sorted((one, other))
    before = chooser(experiment(coverage=low), SECRET)(unit)
    after = chooser(experiment(coverage=high), SECRET)(unit)
    assert before is None or before == after


def test_coverage_is_independent_of_the_arm() -> None:
    choose = chooser(experiment(coverage=0.3), SECRET)
    inside = [number for unit in UNITS if (number := choose(unit)) is not None]
    assert 0.28 < len(inside) / len(UNITS) < 0.32
    assert 0.48 < sum(inside) / len(inside) < 0.52


def test_experiments_of_a_namespace_share_no_user() -> None:
    left, right = (
        chooser(experiment(key=key, namespace={"name": "ns", "range": bounds}), SECRET)
        for key, bounds in (("one", [0, 0.4]), ("two", [0.4, 1]))
    )
    in_left = {unit for unit in UNITS if left(unit) is not None}
    in_right = {unit for unit in UNITS if right(unit) is not None}
    assert not in_left & in_right
    assert in_left | in_right == set(UNITS)


def test_two_experiments_are_independent() -> None:
    one, two = (chooser(experiment(key=key), SECRET) for key in ("exp1", "exp2"))
    both = sum(one(unit) == two(unit) for unit in UNITS)
    assert 0.48 < both / len(UNITS) < 0.52


def test_without_the_secret_nobody_can_tell_the_arm() -> None:
    one, two = (chooser(experiment(), secret) for secret in (SECRET, b"another"))
    same = sum(one(unit) == two(unit) for unit in UNITS)
    assert 0.48 < same / len(UNITS) < 0.52


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8).filter(any))
def test_ranges_are_half_open_and_cover_everything(weights: list[int]) -> None:
    starts = range_starts(tuple(weights))
    assert starts[0] == 0
    assert starts == sorted(starts)
    for start, before in zip(starts, range(len(weights)), strict=True):
        total = sum(weights)
        assert start * total >= sum(weights[:before]) << 53
        assert (start - 1) * total < sum(weights[:before]) << 53


def test_ids() -> None:
    assert unit_text(1) == unit_text("1") == "1"
    for nobody in (None, "", True, float("nan"), 1.0, b"x", [], object()):
        assert unit_text(nobody) is None
    assert unit_text("\ud800") == "\ud800"
    assert len(pseudonym("\ud800", SECRET)) == 16
    assert pseudonym("a", SECRET) != pseudonym("a", b"other")


VECTORS = [1, 2, 0, 0, 0, 1]

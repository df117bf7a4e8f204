"""Columns: what they hold does not depend on where it lies, and memory does not grow with it."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.detector import DetectionResult, Prediction
from raxe_core.errors import RaxeError
from raxe_core.evaluation import column, sorting
from raxe_core.evaluation.column import Column
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.pairs import pair_reports
from raxe_core.evaluation.prompts import Prompt

FLOATS = st.lists(st.floats(allow_nan=False), max_size=60)


@pytest.fixture
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column, "IN_MEMORY", 512)
    monkeypatch.setattr(column, "READ", 64)
    monkeypatch.setattr(sorting, "RUN", 512)


@given(st.lists(FLOATS, max_size=4), st.integers(1, 30), st.integers(1, 8), st.data())
def test_a_column_is_read_as_a_list_is(
    parts: list[list[float]], in_memory: int, read: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column, "IN_MEMORY", in_memory)
        patch.setattr(column, "READ", read)
        found: Column[float] = Column("d")
        expected: list[float] = []
        for number, part in enumerate(parts):
            if number % 2:
                found.extend(part)
            else:
                for value in part:
                    found.append(value)
            expected += part
            # It is read and added to in turns.
            assert list(found) == expected
            assert [*found.view()] == expected
        assert len(found) == len(expected)
        start, stop = data.draw(st.tuples(st.integers(0, 250), st.integers(0, 250)))
        assert list(found.part(start, stop)) == expected[start:stop]
        assert list(found[start:stop]) == expected[start:stop]
        if expected:
            index = data.draw(st.integers(-len(expected), len(expected) - 1))
            assert found[index] == expected[index]
        ordered = sorting.sorted_floats(found)
        assert list(ordered) == sorted(expected)
        assert bisect_left(ordered.view(), 0.5) == bisect_left(sorted(expected), 0.5)


def test_two_readers_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column, "IN_MEMORY", 4)
    monkeypatch.setattr(column, "READ", 3)
    found = Column[int]("I", range(50))
    assert list(zip(found, found, strict=True)) == [(i, i) for i in range(50)]


def test_a_full_disk_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column, "IN_MEMORY", 4)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(RaxeError, match=r"temporary folder .* No such file .* TMPDIR"):
        Column("d", [0.5] * 5)


def judged(prompts: int, seed: int = 0) -> Judgements:
    """Judgements of a model that is right more often than not."""
    generator, judgements = random.Random(seed), Judgements(f"m{seed}")
    for number in range(prompts):
        is_threat = number % 3 == 0
        score = min(1.0, max(0.0, generator.gauss(0.3 + 0.4 * is_threat, 0.2)))
        predictions = (Prediction("PI", None, score),) if score > 0.5 else ()
        prompt = Prompt("x", is_threat, "PI" if is_threat else None)
        judgements.add(
            prompt,
            DetectionResult("m", score > 0.5, predictions, {"threat": score}, 0.5, 1 + score),
        )
    return judgements


def reports() -> Iterator[Any]:
    models = [judged(3_000, seed) for seed in range(2)]
    yield from (model.report({}) for model in models)
    yield pair_reports(models)


def test_a_report_does_not_depend_on_where_the_figures_lie(request: pytest.FixtureRequest) -> None:
    in_memory = list(reports())
    request.getfixturevalue("_little_memory")
    assert list(reports()) == in_memory


@pytest.mark.usefixtures("_little_memory")
def test_the_memory_of_a_report_does_not_grow_with_the_prompts() -> None:
    peaks = []
    for prompts in (3_000, 30_000):
        tracemalloc.start()
        judged(prompts).report({})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Of 27,000 prompts more: an array of one of their figures would be 216,000 bytes.
    assert peaks[1] - peaks[0] < 100_000

"""The batch plan, and that it does not change what a text gets."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from raxe_torch import forward
from raxe_torch.architecture import ARCHITECTURES
from raxe_torch.batches import plan
from raxe_torch.model import load
from tiny_bert import WORDS, config_of, write_model

from raxe_core import RuntimeOptions, TextDetector

TEXTS = [" ".join(WORDS.split()[start::step]) for start in range(9) for step in (1, 2, 5, 30)]


@given(st.lists(st.integers(1, 512)), st.integers(1, 4_096))
def test_the_plan_keeps_its_promises(lengths: list[int], budget: int) -> None:
    batches = plan(lengths, budget)
    assert sorted(itertools.chain.from_iterable(batches)) == list(range(len(lengths)))
    for batch in batches:
        longest, shortest = lengths[batch[0]], lengths[batch[-1]]
        assert longest == max(lengths[position] for position in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget
        assert longest - shortest <= max(8, longest // 4)


def test_windows_of_one_length_run_together() -> None:
    assert plan([5] * 10, 50) == [list(range(10))]
    assert plan([128, 3, 128], 4_096) == [[0, 2], [1]]
    assert plan([], 10) == []


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_no_plan_changes_a_score(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path, config=config_of(kind))
    alone = [load(model, RuntimeOptions()).analyze(text) for text in TEXTS]
    assert max(r.score for r in alone) - min(r.score for r in alone) > 0.02
    for budget in (1, 20, 64, 333, 100_000):
        monkeypatch.setitem(forward.BUDGETS, ("cpu", "float32"), budget)
        results = load(model, RuntimeOptions()).analyze_batch(TEXTS)
        for one, other in zip(alone, results, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-6)


def test_on_a_cpu_a_text_has_the_same_bits_in_every_batch(tmp_path: Path) -> None:
    detector = load(write_model(tmp_path), RuntimeOptions(device="cpu"))
    alone = [detector.analyze(text).scores for text in TEXTS]
    assert [result.scores for result in detector.analyze_batch(TEXTS)] == alone


def test_embeddings_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    detector: TextDetector = load(write_model(tmp_path), RuntimeOptions())
    together = detector.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert detector.embed([text])[0] == pytest.approx(vector, abs=1e-6)


def test_the_callers_thread_count_is_given_back(tmp_path: Path) -> None:
    detector = load(write_model(tmp_path), RuntimeOptions(threads=1))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        detector.analyze("hello")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

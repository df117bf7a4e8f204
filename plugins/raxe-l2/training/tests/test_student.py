"""The student's cuts: which units are kept and that the parts fit together."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig

import average
import student
from model import Detector


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Detector:
    """A small random teacher; the student's sizes are made to match."""
    config = BertConfig(
        vocab_size=200,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=96,
        max_position_embeddings=32,
    )
    monkeypatch.setattr(student, "EMBEDDING_RANK", 16)
    monkeypatch.setattr(student, "FFN_SIZE", 24)
    monkeypatch.setattr(student, "base_folder", lambda: None)
    monkeypatch.setattr(BertConfig, "from_pretrained", lambda _: BertConfig(**config.to_dict()))
    return Detector(config)


def test_best_units_come_in_groups() -> None:
    first = torch.tensor([[1.0], [1.0], [5.0], [5.0], [2.0], [2.0]])
    assert student.best(first, first.T, 2, 2).tolist() == [2, 3, 4, 5]


def test_student_has_the_teachers_outputs_and_fewer_weights(teacher: Detector) -> None:
    small = student.student_of(teacher).eval()
    ids, mask = torch.arange(1, 11).view(2, 5), torch.ones(2, 5, dtype=torch.int64)
    expected, found = teacher.eval()(ids, mask), small(ids, mask)
    assert {n: v.shape for n, v in expected.items()} == {n: v.shape for n, v in found.items()}
    count = [sum(p.numel() for p in model.parameters()) for model in (teacher, small)]
    assert count[1] < count[0] / 2


def test_padding_does_not_change_an_output(teacher: Detector) -> None:
    model = teacher.eval()
    ids = torch.tensor([[5, 6, 7, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    padded, alone = model(ids, mask), model(ids[:, :3], mask[:, :3])
    assert torch.allclose(padded["binary"], alone["binary"], atol=1e-6)
    assert torch.allclose(padded["embedding"], alone["embedding"], atol=1e-6)


def test_average_takes_each_tensor_from_the_states_that_hold_it() -> None:
    base = {"encoder": torch.tensor([0.0])}
    tuned = {"encoder": torch.tensor([3.0]), "head": torch.tensor([5.0])}
    result = average.mean([base, tuned, tuned])
    assert result["encoder"].item() == pytest.approx(2.0)
    assert result["head"].item() == pytest.approx(5.0)

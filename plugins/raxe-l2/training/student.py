"""The small model of v1.1.

Two of the teacher's layers, each with its four most important heads and its 256 most important FFN
neurons, and factorised word embeddings. The width of the residual stream stays the teacher's.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig

from model import Detector, base_folder, load

TEACHER_LAYERS = (0, 3)
HEADS = 4
FFN_SIZE = 256
EMBEDDING_RANK = 96
FACTOR = "bert.embeddings.word_embeddings.0.weight"
"""The tensor that only a student has."""


def empty_student() -> Detector:
    """A student with fresh weights: word embeddings [vocabulary, 96] times [96, 384]."""
    config = BertConfig.from_pretrained(base_folder())
    config.num_hidden_layers, config.intermediate_size = len(TEACHER_LAYERS), FFN_SIZE
    student = Detector(config)
    width, inner = config.hidden_size, HEADS * config.hidden_size // config.num_attention_heads
    student.bert.embeddings.word_embeddings = nn.Sequential(
        nn.Embedding(config.vocab_size, EMBEDDING_RANK),
        nn.Linear(EMBEDDING_RANK, width, bias=False),
    )
    for layer in student.bert.encoder.layer:
        attention = layer.attention
        for name in ("query", "key", "value"):
            setattr(attention.self, name, nn.Linear(width, inner))
        attention.output.dense = nn.Linear(inner, width)
        attention.self.num_attention_heads, attention.self.all_head_size = HEADS, inner
    return student


def best(first: Tensor, second: Tensor, kept: int, group: int) -> Tensor:
    """Indexes of the units with the largest product of weight norms, in groups of ``group``.

    ``first`` [units, hidden] leads into the units, ``second`` [hidden, units] out of them. A head
    is a group of 32 units, an FFN neuron a group of one.
    """
    importance = (first.norm(dim=1) * second.norm(dim=0)).view(-1, group).sum(1)
    groups = importance.topk(kept).indices.sort().values
    return (groups[:, None] * group + torch.arange(group)).flatten()


def cut_layer(layer: dict[str, Tensor], head_size: int) -> dict[str, Tensor]:
    """A teacher layer's tensors (names within the layer) cut to the student's heads and neurons."""
    heads = best(
        layer["attention.self.value.weight"],
        layer["attention.output.dense.weight"],
        HEADS,
        head_size,
    )
    neurons = best(layer["intermediate.dense.weight"], layer["output.dense.weight"], FFN_SIZE, 1)
    result = dict(layer)
    for name in ("query", "key", "value"):
        for part in ("weight", "bias"):
            result[f"attention.self.{name}.{part}"] = layer[f"attention.self.{name}.{part}"][heads]
    result["attention.output.dense.weight"] = layer["attention.output.dense.weight"][:, heads]
    result["intermediate.dense.weight"] = layer["intermediate.dense.weight"][neurons]
    result["intermediate.dense.bias"] = layer["intermediate.dense.bias"][neurons]
    result["output.dense.weight"] = layer["output.dense.weight"][:, neurons]
    return result


@torch.no_grad()
def student_of(teacher: Detector) -> Detector:
    """A student that starts from the teacher's weights.

    Word embeddings are the truncated singular value decomposition of the teacher's table; the
    positions, heads and normalisations are its own.
    """
    student, source = empty_student(), teacher.state_dict()
    config = teacher.bert.config
    state = {
        n: source[n].clone() for n in student.state_dict() if n in source and ".layer." not in n
    }
    left, values, right = torch.linalg.svd(
        source["bert.embeddings.word_embeddings.weight"], full_matrices=False
    )
    root = values[:EMBEDDING_RANK].sqrt()
    state[FACTOR] = left[:, :EMBEDDING_RANK] * root
    state["bert.embeddings.word_embeddings.1.weight"] = (root[:, None] * right[:EMBEDDING_RANK]).T
    for target, origin in enumerate(TEACHER_LAYERS):
        prefix = f"bert.encoder.layer.{origin}."
        layer = {n[len(prefix) :]: v for n, v in source.items() if n.startswith(prefix)}
        cut = cut_layer(layer, config.hidden_size // config.num_attention_heads)
        state |= {f"bert.encoder.layer.{target}.{n}": v.clone() for n, v in cut.items()}
    student.load_state_dict(state)
    return student


def is_student(path: Path) -> bool:
    """Whether a ``model.pt`` holds a student."""
    return FACTOR in torch.load(path, weights_only=True, mmap=True)["model"]


def load_any(path: Path) -> Detector:
    """The trained model of ``train.py`` or ``distill.py``, whichever wrote the file."""
    if not is_student(path):
        return load(path)
    student = empty_student()
    student.load_state_dict(torch.load(path, weights_only=True)["model"])
    return student.eval()


def frozen(teacher: Detector) -> Detector:
    """The teacher in bf16 without gradients."""
    return copy.deepcopy(teacher).to(torch.bfloat16).requires_grad_(False).eval()

"""Tokenise rows, cut windows, and form batches of similar length."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from data import AUTHORED_SOURCE, Row
from model import base_folder
from recipe import FAMILIES, SUBFAMILIES, Recipe

IGNORED = -100
"""Target of the family and subfamily heads for benign rows: no loss."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Ids and mask [batch, tokens]; targets [batch] by head name, and ``certain``."""

    input_ids: Tensor
    attention_mask: Tensor
    targets: dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Item:
    """Token ids of one window (with special tokens) and its three targets.

    ``certain`` is 1 where the label was written together with the text, else 0.
    """

    ids: list[int]
    binary: int
    family: int
    subfamily: int
    certain: int = 0


def base_tokenizer() -> Tokenizer:
    """The tokenizer of the base model, with truncation and padding switched off."""
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def windows(ids: list[int], max_tokens: int, overlap: int) -> list[list[int]]:
    """Overlapping windows of a text's ids ([CLS] ... [SEP] included, as in each window)."""
    body, room = ids[1:-1], max_tokens - 2
    starts = range(0, max(len(body) - overlap, 1), room - overlap)
    return [[ids[0], *body[start : start + room], ids[-1]] for start in starts]


def training_window(encoding: Encoding, row: Row, room: int, rng: random.Random) -> list[int]:
    """At most ``room`` + 2 ids: around the attack where its place is known, else head or tail."""
    ids = encoding.ids
    if len(ids) <= room + 2:
        return list(ids)
    last = len(ids) - 2 - room
    start = rng.choice((0, last)) if row.label else rng.randint(0, last)
    if row.span is not None:
        inside = [i for i, (a, b) in enumerate(encoding.offsets) if row.span[0] <= a < row.span[1]]
        if inside:
            low, high = sorted((inside[0] - 1, max(inside[-1] - room, 0)))
            start = min(rng.randint(max(low, 0), max(high, 0)), last)
    return [ids[0], *ids[1 + start : 1 + start + room], ids[-1]]


def to_items(rows: Sequence[Row], recipe: Recipe) -> list[Item]:
    """One training window per row."""
    tokenizer, rng = base_tokenizer(), random.Random(recipe.seed + 2)
    items: list[Item] = []
    for first in range(0, len(rows), 1000):
        chunk = rows[first : first + 1000]
        for row, encoding in zip(
            chunk, tokenizer.encode_batch([r.text for r in chunk]), strict=True
        ):
            ids = training_window(encoding, row, recipe.max_tokens - 2, rng)
            family = FAMILIES.index(row.family) if row.label else IGNORED
            subfamily = SUBFAMILIES.index(row.kind) if row.label else IGNORED
            certain = int(row.source == AUTHORED_SOURCE)
            items.append(Item(ids, row.label, family, subfamily, certain))
    return items


def pad(sequences: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask [batch, tokens], padded with id 0 to a multiple of 16.

    Few different shapes: the CPU kernels are generated anew for each.
    """
    longest = -(-max(map(len, sequences)) // 16) * 16
    ids = torch.tensor([s + [0] * (longest - len(s)) for s in sequences])
    mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sequences])
    return ids, mask


def plan(items: Sequence[Item], recipe: Recipe) -> list[list[int]]:
    """Batches of item indexes: sorted by length inside chunks of 50 batches, batches shuffled."""
    rng = random.Random(recipe.seed + 3)
    order = list(range(len(items)))
    rng.shuffle(order)
    size, batches = recipe.batch_size, []
    for first in range(0, len(order), 50 * size):
        chunk = sorted(order[first : first + 50 * size], key=lambda i: len(items[i].ids))
        batches.extend([chunk[i : i + size] for i in range(0, len(chunk), size)])
    rng.shuffle(batches)
    return batches


def make_batch(items: Sequence[Item]) -> Batch:
    """The tensors of some items."""
    input_ids, attention_mask = pad([item.ids for item in items])
    targets = {
        name: torch.tensor([getattr(item, name) for item in items])
        for name in ("binary", "family", "subfamily", "certain")
    }
    return Batch(input_ids, attention_mask, targets)


def by_length(sequences: Sequence[list[int]], tokens: int) -> Iterator[list[int]]:
    """Indexes of sequences in batches of about ``tokens`` tokens, short ones first."""
    batch: list[int] = []
    for index in sorted(range(len(sequences)), key=lambda i: len(sequences[i])):
        if batch and len(sequences[index]) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch

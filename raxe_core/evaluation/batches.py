"""Plan batches: texts sorted by length, each batch within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BATCH_TOKENS", "CHARACTERS_PER_TOKEN", "plan_batches"]

BATCH_TOKENS = 4_096
"""The tokens of a batch, where nobody says otherwise."""

CHARACTERS_PER_TOKEN = 4
MAX_BATCH = 256


def plan_batches(texts: Sequence[str], budget: int) -> list[list[int]]:
    """Return batches of positions; a batch's texts times its longest text fit the budget.

    Lengths are estimated from characters, so that the plan needs no tokenizer and is the same on
    every machine. A text beyond the budget is a batch of its own.
    """
    lengths = [len(text) // CHARACTERS_PER_TOKEN + 2 for text in texts]
    order = sorted(range(len(texts)), key=lambda position: (lengths[position], position))
    batches: list[list[int]] = []
    for position in order:
        batch = batches[-1] if batches else []
        # Sorted by length, so this text is the longest.
        fits = (len(batch) + 1) * lengths[position] <= budget and len(batch) < MAX_BATCH
        if batch and fits:
            batch.append(position)
        else:
            batches.append([position])
    return batches

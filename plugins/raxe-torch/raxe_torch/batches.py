"""The batch plan: which windows run together."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plan"]

LITTLE_PADDING = 8


def plan(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return batches of positions in ``lengths`` (tokens per window), the longest windows first.

    A batch is padded to its longest window. It holds at most ``budget`` tokens with its padding
    (but at least one window), and no window is padded by more than a quarter of the batch's
    length, or ``LITTLE_PADDING`` tokens.
    """
    batches: list[list[int]] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        padding = longest - lengths[position]
        full = batches and (len(batches[-1]) + 1) * longest > budget
        if not batches or full or padding > max(LITTLE_PADDING, longest // 4):
            batches.append([])
            longest = lengths[position]
        batches[-1].append(position)
    return batches

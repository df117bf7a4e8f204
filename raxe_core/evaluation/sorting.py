"""Sort many numbers in little memory."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable

from raxe_core.evaluation.column import Column

__all__ = ["sorted_floats"]

RUN = 1 << 16


def sorted_floats(values: Iterable[float]) -> Column[float]:
    """Return the values in order: sorted in runs, which are merged."""
    iterator = iter(values)
    runs: Column[float] = Column("d")
    while run := sorted(itertools.islice(iterator, RUN)):
        runs.extend(run)
    if len(runs) <= RUN:
        return runs
    starts = range(0, len(runs), RUN)
    return Column("d", heapq.merge(*(runs.part(start, start + RUN) for start in starts)))

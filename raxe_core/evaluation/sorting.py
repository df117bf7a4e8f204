"""Sort many numbers in little room."""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections.abc import Iterable

__all__ = ["sorted_floats"]

RUN = 1 << 16


def sorted_floats(values: Iterable[float]) -> array[float]:
    """Return the values in order, in eight bytes each.

    Sorted in runs that are merged: a list of all of them would take four times the room.
    """
    iterator = iter(values)
    runs = []
    while run := sorted(itertools.islice(iterator, RUN)):
        runs.append(array("d", run))
    return runs[0] if len(runs) == 1 else array("d", heapq.merge(*runs))

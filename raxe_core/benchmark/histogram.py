"""Histogram: HdrHistogram's buckets, three significant digits, and percentiles with a conscience.

A value keeps 11 bits, so that it is known to 0.1 %, and any number of values takes the same room
(http://hdrhistogram.org). Histograms of parts add up to that of the whole.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

__all__ = ["MINIMUM_SAMPLES", "Histogram"]

_BITS = 11
MINIMUM_SAMPLES = {"p50": 1, "p90": 64, "p95": 130, "p99": 662, "p99.9": 6_636}
"""Samples that a percentile needs: MLPerf's early stopping, 99 % confidence, tolerance 0."""


class Histogram:
    """Counts of whole numbers that are not negative, such as microseconds."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._counts: Counter[int] = Counter()
        for value in values:
            self.record(value)

    def __len__(self) -> int:
        return self._counts.total()

    def record(self, value: float) -> None:
        """Count one value."""
        self._counts[_lowest(round(value))] += 1

    def add(self, other: Histogram) -> None:
        """Count all that another histogram has counted."""
        self._counts.update(other._counts)

    def value_at(self, percent: float) -> int:
        """Return the largest value of the bucket that holds this percentile (nearest rank).

        Raises:
            ValueError: nothing was counted.
        """
        # Rounded, because 99.9 % of 2,000 is 1,998 and not a little more.
        wanted = max(1, math.ceil(round(percent * len(self) / 100, 6)))
        seen = 0
        for lowest in sorted(self._counts):
            seen += self._counts[lowest]
            if seen >= wanted:
                return _highest(lowest)
        raise ValueError("a percentile needs at least one value")

    def percentiles(self) -> dict[str, int | None]:
        """Return p50 to p99.9; None where there are too few values for the percentile."""
        return {
            name: self.value_at(float(name[1:])) if len(self) >= needed else None
            for name, needed in MINIMUM_SAMPLES.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return pairs of each bucket's lowest value and its count."""
        return {"significant_digits": 3, "counts": sorted(map(list, self._counts.items()))}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Histogram:
        """Return the histogram that :meth:`as_json` wrote."""
        histogram = cls()
        for lowest, count in value["counts"]:
            histogram._counts[_lowest(int(lowest))] += int(count)
        return histogram


def _lowest(value: int) -> int:
    shift = max(0, value.bit_length() - _BITS)
    return value >> shift << shift


def _highest(lowest: int) -> int:
    return lowest + (1 << max(0, lowest.bit_length() - _BITS)) - 1

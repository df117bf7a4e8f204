"""How busy a machine is with other things while something is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Meter"]


class Meter:
    """Tells how many cores other processes used since it was made.

    ``own_seconds`` returns the CPU seconds that what is measured has used so far.
    """

    def __init__(self, own_seconds: Callable[[], float]) -> None:
        self._own_seconds = own_seconds
        self._begin = self._now()

    def others(self) -> float | None:
        """Return the cores that others used; None where the system does not tell."""
        end = self._now()
        if self._begin is None or end is None:
            return None
        elapsed, ours, busy = (b - a for a, b in zip(self._begin, end, strict=True))
        return max(0.0, busy - ours) / max(elapsed, 1e-9)

    def _now(self) -> tuple[float, float, float] | None:
        busy = _busy_seconds()
        return None if busy is None else (time.monotonic(), self._own_seconds(), busy)


def _busy_seconds() -> float | None:
    """Return the CPU seconds that all processes of the machine have used since it started."""
    try:
        fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    except (OSError, IndexError):
        return None
    user, nice, system, _, _, irq, softirq, steal, *_ = (*map(int, fields), *[0] * 8)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

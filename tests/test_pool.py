"""What the pool does beside loading; selecting and reloading are tested with the client."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from raxe_core.pool import give_back_memory


def resident_mb() -> float:
    """Return the memory of this process that lies in no file."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) / 1_024


def test_memory_that_is_free_goes_back_to_the_system() -> None:
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("the C library is not glibc")
    blocks = [bytes(40_000) for _ in range(1_000)]  # of many pages, wherever they find room
    last = blocks[-1]  # above the others, so that the C library keeps what is below
    del blocks
    before = resident_mb()
    give_back_memory()
    assert before - resident_mb() > 20
    assert last

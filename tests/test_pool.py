"""What the pool does beside loading; selecting and reloading are tested with the client."""

from __future__ import annotations

import concurrent.futures
import ctypes
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from unittest import mock

import pytest
from tiny_model import write_bundle

from raxe_core import Detector, ModelRegistry
from raxe_core.errors import LoadTimeoutError
from raxe_core.pool import DetectorPool, give_back_memory


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


class Load(concurrent.futures.Future[Detector]):
    """A load that nobody waits for; it notes for how long they would have."""

    made: ClassVar[list[Load]] = []
    waits: ClassVar[list[float | None]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)

    def result(self, timeout: float | None = None) -> Detector:
        """Return the detector, or say at once that it is not there."""
        self.waits.append(timeout)
        return super().result(0)


@pytest.fixture
def go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Two models, of which v9.0_tiny is not loaded before the event is set."""
    for model_id in ("v9.0_tiny", "v9.1_small"):
        write_bundle(home / "models", model_id)
    go_on, load = threading.Event(), ModelRegistry.create_detector

    def create(registry: ModelRegistry, model_id: str) -> Detector:
        if model_id == "v9.0_tiny":
            assert go_on.wait(60)
        return load(registry, model_id)

    monkeypatch.setattr(ModelRegistry, "create_detector", create)
    Load.made.clear()
    Load.waits.clear()
    yield go_on
    go_on.set()


@pytest.mark.parametrize("failure", ["fallback_model_id: v9.1_small", "on_failure: block"])
def test_slow_load_holds_scans_up_but_once_and_is_used_when_it_is_done(
    home: Path,
    go_on: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: str,
) -> None:
    (home / "config.yaml").write_text(
        f"l2_model: {{selection: explicit, model_id: v9.0_tiny, load_timeout_s: 60, {failure}}}\n"
    )
    pool = DetectorPool(ModelRegistry())
    pool.detector("v9.1_small")
    clock = mock.Mock()
    monkeypatch.setattr("raxe_core.pool.time", clock)
    monkeypatch.setattr("raxe_core.pool.Future", Load)
    late = []
    for clock.monotonic.return_value in (0.0, 20.0, 70.0):
        late.append(pool.ready(None))
    assert Load.waits == [60.0, 40.0, 0.0]
    if "block" in failure:
        assert [type(ready.detector) for ready in late] == [LoadTimeoutError] * 3
    else:
        assert {ready.selection.fallback_kind for ready in late} == {"time-out"}
        assert {ready.selection.model_id for ready in late} == {"v9.1_small"}
    caplog.clear()
    go_on.set()
    concurrent.futures.wait(Load.made, 60)
    ready = pool.ready(None)
    assert (ready.selection.model_id, ready.selection.fallback_kind) == ("v9.0_tiny", None)
    assert not isinstance(ready.detector, LoadTimeoutError)
    assert pool.ready(None) is ready
    assert caplog.messages == ["model v9.0_tiny is loaded now, after the time-out"]
    assert caplog.records[0].levelno == logging.WARNING
    pool.retire()

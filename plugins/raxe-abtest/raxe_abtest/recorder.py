"""The way from a request to the disk: a queue, and one thread that commits groups.

Putting an event into the queue is all that a request waits for. The thread commits what came in
within 50 ms, or 2,000 events, in one durable transaction, so a crash of the process loses at most
that window; ``flush()`` ends it, and ``durability="per_event"`` has none. While the store fails,
events wait in memory and the write is tried again; what no longer fits is counted as lost.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from raxe_abtest.config import Experiment
from raxe_abtest.errors import ABTestError
from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import Event, Registration

__all__ = ["LOSS_WINDOW_MS", "Recorder"]

LOSS_WINDOW_MS = 50
BATCH = 2_000
MAX_BATCH = 8_000  # when more waits than is written: fewer syncs for each event
QUEUE_LIMIT = 200_000
IDLE_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 5.0

_log = logging.getLogger(__name__)
_abandoned: list[Any] = []  # connections of a parent process: never to be closed by a child
_live: weakref.WeakSet[Recorder] = weakref.WeakSet()

Watcher = Callable[[Store, Registration], None]


class Recorder:
    """Writes one experiment's events; ``watch`` is called about once a second, if data came."""

    def __init__(
        self, experiment: Experiment, where: str | None, secret: bytes | None, watch: Watcher
    ) -> None:
        self._experiment, self._where, self._secret = experiment, where, secret
        self._watch = watch
        self.lost = 0  # events that did not fit while the store failed
        self.problem: str | None = None
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        """Begin with an empty queue and no thread: at the start, and in a forked child."""
        self._queue: deque[Any] = deque()
        self._pending: list[Event] = []
        self._counts: dict[str, int] = {}
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._idle = False
        self._reported_lost = self.lost

    def expose(self, unit: str, variant: int, epoch: int | None = None) -> None:
        """Put an exposure into the queue."""
        self.put((time.time(), unit, variant, epoch))

    def put(self, event: Any) -> None:
        """Put an event into the queue; never waits, never raises."""
        queue = self._queue
        waiting = len(queue)
        if waiting >= QUEUE_LIMIT:
            self.lost += 1
            return
        queue.append(event)
        if self._idle or waiting >= BATCH or self._thread is None:
            self._nudge()

    def count(self, name: str) -> None:
        """Count something that is no event of the experiment."""
        self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was put is on the disk; False when it is not in time."""
        if self._thread is None and not self._queue and not self._counts:
            return True
        done = threading.Event()
        self._queue.append(done)
        self._nudge()
        return done.wait(timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left and end the thread."""
        thread = self._thread
        if thread is None:
            return
        self._closing = True
        self._wake.set()
        thread.join(timeout)
        left = len(self._pending) + len(self._queue)
        if left:
            self.lost += left
            _log.warning("%d A/B events were lost: %s", left, self.problem)

    def _nudge(self) -> None:
        if self._thread is None:
            with self._start_lock:
                if self._thread is None and not self._closing:
                    thread = threading.Thread(target=self._run, name="raxe-abtest", daemon=True)
                    self._thread = thread
                    thread.start()
        self._wake.set()

    def _run(self) -> None:
        store = open_store(self._where)
        registration: Registration | None = None
        backoff, dirty, looked = 0.1, False, time.monotonic()
        markers: list[threading.Event] = []
        while True:
            self._gather(markers)
            try:
                if registration is None and (self._pending or self._counts):
                    registration = store.register(self._experiment, self._secret)
                if registration is not None and self._pending:
                    store.write(
                        registration, self._pending, self._experiment.label_delay_hours * 3600
                    )
                    dirty = True
                self._pending, self.problem, backoff = [], None, 0.1
            except ABTestError as error:
                self.problem = str(error)
                if self._closing:
                    break
                self._wake.wait(backoff)
                backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
                continue
            except Exception:
                _log.exception("A batch of %d A/B events could not be folded", len(self._pending))
                self.lost += len(self._pending)
                self._pending = []
            for marker in markers:
                marker.set()
            markers.clear()
            if registration is not None and time.monotonic() - looked >= IDLE_SECONDS:
                registration = self._look(store, registration, look=dirty) or registration
                dirty, looked = False, time.monotonic()
            if self._closing and not self._queue:
                break
        store.close()

    def _look(self, store: Store, registration: Registration, *, look: bool) -> Registration | None:
        """Read the experiment's state anew, and let the watcher look at new data."""
        try:
            current = store.registration(self._experiment.key)
            if current is not None and (look or current.state != registration.state):
                self._watch(store, current)
            return current
        except ABTestError as error:
            self.problem = str(error)
        except Exception:
            _log.exception("Looking at the experiment failed")
        return None

    def _gather(self, markers: list[threading.Event]) -> None:
        """Take the next batch out of the queue; waits for one."""
        if not self._queue and not self._pending and not self._closing:
            self._idle = True
            if not self._queue:
                self._wake.wait(IDLE_SECONDS)
            self._idle = False
        self._wake.clear()
        hurry = self._closing or bool(markers)
        end = time.monotonic() + LOSS_WINDOW_MS / 1000
        while not hurry and 0 < len(self._queue) < BATCH:
            hurry = any(isinstance(item, threading.Event) for item in list(self._queue)[-64:])
            left = end - time.monotonic()
            if hurry or left <= 0:
                break
            self._wake.wait(left)
            self._wake.clear()
        while self._queue and len(self._pending) < MAX_BATCH:
            item = self._queue.popleft()
            if isinstance(item, threading.Event):
                markers.append(item)
            elif isinstance(item, Event):
                self._pending.append(item)
            elif len(item) == 4:
                at, unit, variant, epoch = item
                self._pending.append(Event("exposure", at, unit, variant, epoch=epoch))
            else:
                self._pending.append(Event("result", *item))
        self._add_counts()

    def _add_counts(self) -> None:
        counts, self._counts = self._counts, {}
        if self.lost > self._reported_lost:
            counts["lost"] = self.lost - self._reported_lost
            self._reported_lost = self.lost
        now = time.time()
        for name, amount in counts.items():
            self._pending.append(Event("count", now, None, -1, name, amount=amount))

    def after_fork(self) -> None:
        """Forget the parent's queue and thread; the parent writes its own events."""
        _abandoned.append(self._thread)
        self._reset()


@atexit.register
def _close_all() -> None:
    for recorder in list(_live):
        recorder.close()


def _after_fork() -> None:
    for recorder in list(_live):
        recorder.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

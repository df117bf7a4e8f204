"""The way from a request to the disk: a queue, and one thread that commits groups.

Putting an entry into the queue is all that a request waits for. The thread makes events of the
entries and commits what came in within 50 ms, or 2,000 events, in one durable transaction, so a
crash of the process loses at most that window; ``flush()`` ends it, and ``durability="per_event"``
has none. While the store fails, events wait in memory and the write is tried again; what no longer
fits is counted as lost.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import Any

from raxe_core import safe_logger

from raxe_abtest.config import Experiment
from raxe_abtest.errors import ABTestError, RefusedError
from raxe_abtest.intake import event_of
from raxe_abtest.standing import Standing
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

_log = safe_logger(__name__)
_abandoned: list[Any] = []  # connections of a parent process: never to be closed by a child
_live: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recorder:
    """Writes one experiment's events, and keeps ``standing`` up to date while it does.

    About once a second, if data came, ``standing`` looks at it, in the writer's thread.
    """

    def __init__(self, experiment: Experiment, where: str | None, standing: Standing) -> None:
        self._experiment, self._where, self._standing = experiment, where, standing
        self.lost = 0  # events that did not fit while the store failed, or came after the end
        self.problem = standing.problem
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        """Begin with an empty queue and no thread: at the start, and in a forked child."""
        self._queue: deque[Any] = deque()
        self._pending: list[Event] = []
        self._counts: dict[str, int] = {}
        self._count_lock = threading.Lock()
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._asleep = True  # nobody looks into the queue unless woken
        self._busy_at = time.monotonic()
        self._unseen = False  # data that the watcher has not looked at
        self._reported_lost = self.lost

    def put(self, entry: Any) -> None:
        """Put an entry into the queue; never waits, never raises."""
        queue = self._queue
        waiting = len(queue)
        if self._closing or waiting >= QUEUE_LIMIT:
            self.lost += 1
            return
        queue.append(entry)
        if self._asleep or waiting == BATCH:
            self._rouse()

    def wake(self) -> None:
        """Have the thread look at the store, if it does not already; never waits."""
        if self._asleep and not self._closing:
            self._rouse()

    def count(self, name: str) -> None:
        """Count something that is no event of the experiment."""
        with self._count_lock:
            self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was put is on the disk; False when it is not in time."""
        if self._closing:  # nobody would answer
            return not (self.lost or self._queue or self._pending)
        if self._thread is None and not self._queue and not self._counts:
            return True
        done = threading.Event()
        self._queue.append(done)
        self._rouse()
        return done.wait(timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left and end the thread; what is put from now on is lost."""
        with self._start_lock:
            self._closing = True
            thread = self._thread
        if thread is None:
            return
        self._wake.set()
        thread.join(timeout)
        left = len(self._pending) + len(self._queue)
        if left:
            self.lost += left
            _log.warning("%d A/B events were lost: %s", left, self.problem)
            if not thread.is_alive():  # closed again, they are not lost twice
                self._pending, self._queue = [], deque()

    def after_fork(self) -> None:
        """Forget the parent's queue and thread; the parent writes its own events."""
        _abandoned.append(self._thread)
        self._reset()

    def _rouse(self) -> None:
        """Have the thread look into the queue now; start it if need be."""
        self._asleep = False
        if self._thread is None:
            with self._start_lock:
                if self._thread is None and not self._closing:
                    thread = threading.Thread(target=self._run, name="raxe-abtest", daemon=True)
                    self._thread = thread
                    thread.start()
                    _close_at_exit()
        self._wake.set()

    def _run(self) -> None:
        try:
            self._write_on()
        finally:
            self._closing = True  # whatever ended the thread: nobody looks into the queue now

    def _write_on(self) -> None:
        store = open_store(self._where)
        registration: Registration | None = None
        backoff, looked = 0.1, time.monotonic()
        markers: list[threading.Event] = []
        while True:
            if not self._pending and not markers:
                self._wait()
            self._gather(markers)
            try:
                registration, backoff = self._commit(store, registration), 0.1
            except ABTestError as error:
                self.problem = str(error)
                if self._closing:
                    break
                self._wake.wait(backoff)
                self._wake.clear()  # or what woke it once would undo every later backoff
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
                registration = self._look(store, registration) or registration
                looked = time.monotonic()
            if self._closing and not self._queue:
                break
        store.close()

    def _commit(self, store: Store, registration: Registration | None) -> Registration:
        """Write what is pending, durably; before anything else, register."""
        registration = registration or self._standing.register(store)
        if self._pending:
            self._write(store, registration, len(self._pending))
            self._unseen = True
        self.problem = None
        return registration

    def _write(self, store: Store, registration: Registration, count: int) -> None:
        """Write the first events that are pending; halves of them where one cannot be written."""
        delay = self._experiment.label_delay_hours * 3600
        try:
            store.write(registration, self._pending[:count], delay)
        except Exception as error:
            refused = isinstance(error, RefusedError)
            if isinstance(error, ABTestError) and not refused:
                raise
            if count > 1:
                self._write(store, registration, count // 2)
                self._write(store, registration, count - count // 2)
                return
            if refused:
                _log.warning("An A/B event was left out: %s", error)
                self.count("invalid")
            else:
                _log.exception("An A/B event could not be folded")
                self.lost += 1
        del self._pending[:count]

    def _look(self, store: Store, registration: Registration) -> Registration | None:
        """Read the experiment's state anew, and let the watcher look at new data."""
        try:
            current = store.registration(self._experiment.key)
            if current is not None and (self._unseen or current.state != registration.state):
                self._standing.watch(store, current)
                self._unseen = False
            # Whatever split another process has begun since, users come here by this one's.
            return current and current._replace(epochs=registration.epochs)
        except ABTestError as error:
            self.problem = str(error)
        except Exception:
            _log.exception("Looking at the experiment failed")
        return None

    def _wait(self) -> None:
        """Wait for a window's events; after a second of none, until somebody wakes the thread."""
        if not self._closing and len(self._queue) < BATCH:
            self._wake.wait(LOSS_WINDOW_MS / 1000)
        if self._queue:
            self._busy_at = time.monotonic()
        elif not self._closing and time.monotonic() - self._busy_at > IDLE_SECONDS:
            self._asleep = True
            if not self._queue:  # what came before that was seen did not wake anybody
                self._wake.wait(IDLE_SECONDS)
            self._asleep = False
        self._wake.clear()

    def _gather(self, markers: list[threading.Event]) -> None:
        """Make events of what is in the queue."""
        pending = self._pending
        while self._queue and len(pending) < MAX_BATCH:
            entry = self._queue.popleft()
            if isinstance(entry, threading.Event):
                markers.append(entry)
                continue
            try:
                event = event_of(entry, self._standing.assigned, self.count)
            except Exception:
                _log.exception("An A/B event could not be understood")
                self.lost += 1
                continue
            if event is not None:
                pending.append(event)
        self._add_counts()

    def _add_counts(self) -> None:
        with self._count_lock:
            counts, self._counts = self._counts, {}
        if self.lost > self._reported_lost:
            counts["lost"] = self.lost - self._reported_lost
            self._reported_lost = self.lost
        now = time.time()
        for name, amount in counts.items():
            self._pending.append(Event("count", now, None, -1, name, amount=amount))


@atexit.register
def _close_all() -> None:
    for recorder in list(_live):
        recorder.close()


def _close_at_exit() -> None:
    """Close at the end of a worker of multiprocessing too, where no atexit function runs."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _close_all, exitpriority=10)


def _after_fork() -> None:
    for recorder in list(_live):
        recorder.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""What the stores need of a database: statements, transactions, and errors of ours."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raxe_abtest.errors import ExperimentError, RefusedError, StoreError

__all__ = ["Database"]

FORK_SECONDS = 2.0  # that a fork waits for a transaction of another thread

_abandoned: list[Any] = []  # connections of a parent process: never to be closed by a child
_live: weakref.WeakSet[Database] = weakref.WeakSet()
_held = threading.local()  # the databases whose locks this thread holds while it forks


class Database(ABC):
    """One connection to a database; calls from several threads take turns."""

    where: str

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._connection: Any = None
        _live.add(self)

    def __del__(self) -> None:
        """Close what nobody closed: Python 3.13 warns of connections that are left open."""
        self.drop_connection()

    def before_fork(self) -> bool:
        """Close the connection and keep others from a new one; False where it is in use."""
        if not self._lock.acquire(timeout=FORK_SECONDS):
            return False
        self.drop_connection()
        return True

    def after_fork(self) -> None:
        """Let other threads connect again."""
        self._lock.release()

    def begin_child(self) -> None:
        """Leave a connection to the parent, and the lock that a thread of it may hold."""
        _abandoned.append(self._connection)
        self._lock, self._connection = threading.RLock(), None

    @abstractmethod
    def connect(self) -> Any:
        """Return a new connection."""

    @abstractmethod
    def prepare(self, connection: Any) -> None:
        """Make a new connection fit for use; the tables too, if need be."""

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; connects first if need be."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows."""

    @abstractmethod
    def begin(self, lock: int | None) -> None:
        """Begin a transaction that writes; ``lock`` is the experiment's number, None for all."""

    @abstractmethod
    def is_failure(self, error: Exception) -> bool:
        """Tell whether an error is the database's (and not a mistake in this program)."""

    @abstractmethod
    def is_refusal(self, error: Exception) -> bool:
        """Tell whether a failure is of a value, which no other try will make better."""

    @abstractmethod
    def default_secret(self) -> bytes:
        """Return the secret that a new experiment gets."""

    def connected(self) -> Any:
        """Return the connection, a new one if need be."""
        if self._connection is None:
            connection = self.connect()
            try:
                self.prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def drop_connection(self) -> None:
        """Close the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception as error:
                if not self.is_failure(error):  # a broken database cannot even be closed well
                    raise

    @contextmanager
    def transaction(self, lock: int | None = None) -> Iterator[None]:
        """Run a block in one transaction that writes; all or nothing."""
        with self._lock, self.guarded():
            self.begin(lock)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                try:
                    self.execute("ROLLBACK")
                except Exception as error:
                    if not self.is_failure(error):
                        raise
                raise

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn the database's errors into a StoreError, and connect anew after one.

        Raises:
            RefusedError: the database refused a value.
            StoreError: the database cannot be used.
        """
        try:
            yield
        except (StoreError, ExperimentError):
            raise
        except Exception as error:
            if not self.is_failure(error):
                raise
            said = " ".join(str(error).split())[:200]
            if self.is_refusal(error):
                raise RefusedError(
                    f"The A/B store {self.where} refused a value: {said}."
                ) from error
            self.drop_connection()
            raise StoreError(f"The A/B store {self.where} failed: {said}.") from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self.drop_connection()


def _before_fork() -> None:
    """Close what is open: SQLite, in a child, would take the parent's locks for its own."""
    _held.databases = [database for database in list(_live) if database.before_fork()]


def _after_fork() -> None:
    for database in _held.databases:
        database.after_fork()
    _held.databases = []


def _begin_child() -> None:
    _held.databases = []
    for database in list(_live):
        database.begin_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_begin_child
    )

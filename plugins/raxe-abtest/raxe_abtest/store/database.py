"""What the stores need of a database: statements, transactions, and errors of ours."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raxe_abtest.errors import ExperimentError, StoreError

__all__ = ["Database"]


class Database(ABC):
    """One connection to a database; calls from several threads take turns."""

    where: str

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._connection: Any = None

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
    def default_secret(self) -> bytes:
        """Return the secret that a new experiment gets."""

    def local_secret(self) -> bytes | None:
        """Return the secret when the database cannot be asked; None where it alone has it."""
        return None

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
        """Turn the database's errors into a StoreError, and connect anew after one."""
        try:
            yield
        except (StoreError, ExperimentError):
            raise
        except Exception as error:
            if not self.is_failure(error):
                raise
            self.drop_connection()
            said = " ".join(str(error).split())[:200]
            raise StoreError(f"The A/B store {self.where} failed: {said}.") from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self.drop_connection()

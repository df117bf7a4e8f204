"""The SQLite store: one file, WAL, every commit synced to the disk."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raxe_core import RaxeError, atomic_write, locked

from raxe_abtest.errors import StoreError
from raxe_abtest.store.base import Store
from raxe_abtest.store.schema import SCHEMA_VERSION, statements

__all__ = ["SqliteStore"]

BUSY_SECONDS = 10.0
_TABLES = statements(
    serial="INTEGER PRIMARY KEY", real="REAL", blob="BLOB", clustered=" WITHOUT ROWID"
)


class SqliteStore(Store):
    """A store in a file; processes of one host share it. The folder is made if need be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.where = str(path)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return list(self.connected().execute(sql, values))

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows."""
        self.connected().executemany(sql, rows)

    def begin(self, lock: int | None) -> None:
        """Begin a transaction that holds the file's write lock."""
        self.connected().execute("BEGIN IMMEDIATE")

    def is_failure(self, error: Exception) -> bool:
        """Tell whether the file or the disk is at fault."""
        return isinstance(error, (sqlite3.Error, OSError))

    def is_refusal(self, error: Exception) -> bool:
        """Tell whether a value is too large, or none where there must be one."""
        return isinstance(error, (sqlite3.DataError, sqlite3.IntegrityError))

    def default_secret(self) -> bytes:
        """Return the secret of this store: 32 random bytes in a file beside it.

        It outlives the database file, so that a broken one moves no user to another arm.
        """
        path = self._path.with_name(f"{self._path.name}.secret")
        try:
            if not path.exists():
                with locked(path):
                    if not path.exists():
                        atomic_write(path, secrets.token_bytes(32), mode=0o600)
            return path.read_bytes()
        except RaxeError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            raise StoreError(f"{path}: cannot be used: {error.strerror or error}.") from error

    def exists(self) -> bool:
        """Tell whether the file is there."""
        with self.guarded():
            return self._path.exists()

    def connect(self) -> sqlite3.Connection:
        """Open the file, which is made if need be."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            self._path.touch(mode=0o600)  # SQLite makes the files beside it alike
        return sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Try again while others do the same: SQLite itself then fails at once, without waiting."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Choose how the file is written, and make the tables if need be."""
        self._switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        # Copying the log into the file less often writes a third less.
        connection.execute("PRAGMA wal_autocheckpoint = 16384")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(f"{self._path} was written by a newer raxe-abtest. Update this one.")
        if version < SCHEMA_VERSION:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")

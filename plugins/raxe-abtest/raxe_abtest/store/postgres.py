"""The PostgreSQL store: many hosts, one experiment. Needs ``pip install raxe-abtest[postgres]``."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from raxe_abtest.errors import StoreError
from raxe_abtest.store.base import Store
from raxe_abtest.store.schema import statements

__all__ = ["PostgresStore"]

_LOCK_SPACE = 0x52415845  # "RAXE", so that no other program's advisory locks meet ours
_TABLES = statements(
    serial="INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    real="DOUBLE PRECISION",
    blob="BYTEA",
    clustered="",
)


class PostgresStore(Store):
    """A store in a PostgreSQL database; the tables are made if need be."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self.where = re.sub(r"//[^@/]*@", "//", address)  # no password in messages

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        cursor = self.connected().execute(_translated(sql), values or None)
        return cursor.fetchall() if cursor.description is not None else []

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows, pipelined."""
        listed = list(rows)
        if listed:
            self.connected().cursor().executemany(_translated(sql), listed)

    def begin(self, lock: int | None) -> None:
        """Begin a transaction; writers of one experiment take turns by an advisory lock."""
        self.execute("BEGIN")
        self.execute("SELECT pg_advisory_xact_lock(?, ?)", (_LOCK_SPACE, lock or 0))

    def is_failure(self, error: Exception) -> bool:
        """Tell whether the server or the network is at fault."""
        import psycopg

        return isinstance(error, (psycopg.Error, OSError))

    def default_secret(self) -> bytes:
        """Return a new secret; the database keeps it for all hosts."""
        return secrets.token_bytes(32)

    def connect(self) -> Any:
        """Connect to the server.

        Raises:
            StoreError: psycopg is not installed.
        """
        try:
            import psycopg
        except ImportError:
            raise StoreError(
                "A postgresql:// store needs psycopg: pip install 'raxe-abtest[postgres]'"
            ) from None
        return psycopg.connect(self._address, autocommit=True, connect_timeout=5)

    def prepare(self, connection: Any) -> None:
        """Make the tables if need be."""
        if connection.execute("SELECT to_regclass('events')").fetchone() != (None,):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, 0))
            for statement in _TABLES:
                connection.execute(statement)


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")

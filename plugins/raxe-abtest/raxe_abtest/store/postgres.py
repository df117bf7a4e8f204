"""The PostgreSQL store: many hosts, one experiment. Needs ``pip install raxe-abtest[postgres]``."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

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
        self.where = _shown(address)

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

    def is_refusal(self, error: Exception) -> bool:
        """Tell whether a value is too large, not of its type, or none where there must be one."""
        import psycopg

        return isinstance(error, (psycopg.DataError, psycopg.IntegrityError))

    def default_secret(self) -> bytes:
        """Return a new secret; the database keeps it for all hosts."""
        return secrets.token_bytes(32)

    def connect(self) -> Any:
        """Connect to the server.

        Raises:
            StoreError: psycopg is not installed, or there is no connection.
        """
        try:
            import psycopg
        except ImportError:
            raise StoreError(
                "A postgresql:// store needs psycopg: pip install 'raxe-abtest[postgres]'"
            ) from None
        try:
            return psycopg.connect(self._address, autocommit=True, connect_timeout=5)
        except (psycopg.Error, OSError) as error:
            said = " ".join(_masked(str(error), self._address).split())[:200]
            raise StoreError(f"The A/B store {self.where} failed: {said}.") from None

    def prepare(self, connection: Any) -> None:
        """Make the tables if need be."""
        if connection.execute("SELECT to_regclass('events')").fetchone() != (None,):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, 0))
            for statement in _TABLES:
                connection.execute(statement)


def _shown(address: str) -> str:
    """Return scheme, host, port and database of an address: no password in messages."""
    scheme, _, rest = address.partition("://")
    # The user ends at the last @ before a slash. A password with a slash puts one behind it.
    rest = re.sub(r"^[^/]*@", "", rest).partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{rest}"


def _masked(text: str, address: str) -> str:
    """Return the driver's text without the parts of a password; it repeats what it cannot read."""
    rest = address.partition("://")[2]
    user, _, query = re.sub(r"^[^/]*@", "", rest).partition("?")
    user = rest.removesuffix(query).rpartition("@")[0]
    parts = re.split("[@:/?]", user.partition(":")[2])
    for setting in query.split("&"):
        name, _, value = setting.partition("=")
        if "password" in name or not value:
            parts += [value or name]
    for part in sorted({*parts, *map(unquote, parts)} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", text)
    return text


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")

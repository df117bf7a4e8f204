"""Where exposures, outcomes and running sums are kept: SQLite on one host, PostgreSQL on many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raxe_abtest.store.base import Store

__all__ = ["address_of", "default_store", "open_store"]


def default_store() -> str:
    """Return ``$RAXE_HOME/abtest/abtest.db``, where nothing else is configured."""
    from raxe_core import raxe_home

    return str(raxe_home() / "abtest" / "abtest.db")


def address_of(where: object) -> str | None:
    """Return the setting ``store`` as text, None where it is not set.

    Raises:
        SettingsError: it is neither a text nor a path.
    """
    if where is None:
        return None
    if isinstance(where, (str, os.PathLike)):
        return os.fsdecode(where)
    from raxe_abtest.errors import SettingsError

    raise SettingsError(
        f"l2_model.ab_test.store must be a path or a postgresql:// address, not {where!r}."
    )


def open_store(where: object) -> Store:
    """Return the store at a path or a ``postgresql://`` address; it connects on first use.

    Raises:
        SettingsError: it is neither a text nor a path.
        StoreError: the address is of a kind that is not known.
    """
    where = address_of(where) or default_store()
    if where.startswith(("postgresql://", "postgres://")):
        from raxe_abtest.store.postgres import PostgresStore

        return PostgresStore(where)
    if "://" in where:
        from raxe_abtest.errors import StoreError

        raise StoreError(
            f"The store {where.partition('://')[0]}://... is not known. "
            "Give a path (SQLite) or a postgresql:// address."
        )
    from raxe_abtest.store.sqlite import SqliteStore

    return SqliteStore(Path(where).expanduser())

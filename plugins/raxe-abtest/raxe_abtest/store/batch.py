"""Write a batch of events: read the rows that it touches, fold the events in, write them back.

All of it is one transaction that holds the experiment's lock. A crash leaves the state before or
after it, and processes and hosts that write at once take turns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from raxe_abtest.store.database import Database
from raxe_abtest.store.fold import Fold, RequestRow, UserKey
from raxe_abtest.store.records import Event, Registration, UserRow
from raxe_abtest.store.rows import (
    ADD_BUCKET,
    ADD_EVENT,
    ADD_FACT,
    ADD_SUMS,
    BY_REQUEST,
    SAVE_REQUEST,
    SAVE_USER,
    chunks,
    event_row,
    request_of,
    request_values,
)  # fmt: skip
from raxe_abtest.store.schema import REQUEST_COLUMNS, USER_COLUMNS
from raxe_abtest.units import pseudonym

__all__ = ["ENDED_AT", "RESUMED_AT", "write_batch"]

ENDED_AT, RESUMED_AT = "ended_at", "resumed_at"  # facts, in seconds since 1970: when it last did
SAMPLES_PER_ARM = 20_000  # latencies kept to see how alike one user's are
MATURED_PER_BATCH = 2_000
_REQUEST = ", ".join(("request", *REQUEST_COLUMNS))


def write_batch(
    database: Database, registration: Registration, events: Sequence[Event], label_delay_s: float
) -> None:
    """Write a batch, within a transaction of the caller."""
    number, secret = registration.number, registration.secret
    came, events = len(events), _while_running(database, number, events)
    names = {unit: pseudonym(unit, secret) for unit in {e.unit for e in events} if unit is not None}
    keys = {e.request for e in events if e.kind in BY_REQUEST and e.request is not None}
    waiting = _load_waiting(database, number, time.time() - label_delay_s)
    requests = {**waiting, **_load_requests(database, number, sorted(keys))}
    units = {*names.values(), *(row.unit for row in requests.values() if row.unit)}
    users = _load_users(database, number, sorted(units))
    fold = Fold(len(registration.epochs) - 1, users, requests)
    fold.apply([(None if e.unit is None else names[e.unit], e) for e in events])
    if len(events) < came:
        fold.facts["not_running"] += came - len(events)
    for key in waiting:
        if not requests[key].matured:
            fold.mature(requests[key])
    _save(database, number, fold)


def _while_running(database: Database, number: int, events: Sequence[Event]) -> Sequence[Event]:
    """Leave out what happened after the experiment had ended, and before it went on.

    Everybody has one model then. Labels tell of what happened before, and always count.
    """
    query = "SELECT name, value FROM facts WHERE experiment = ? AND name IN (?, ?)"
    found = dict(database.execute(query, (number, ENDED_AT, RESUMED_AT)))
    ended, resumed = found.get(ENDED_AT), found.get(RESUMED_AT, 0.0)
    if ended is None:
        return events
    end = resumed if resumed > ended else math.inf
    return [e for e in events if e.kind in ("label", "count") or not ended < e.at < end]


def _load_requests(database: Database, number: int, keys: Sequence[str]) -> dict[str, RequestRow]:
    rows: list[tuple[Any, ...]] = []
    for chunk in chunks(keys):
        marks = ", ".join("?" * len(chunk))
        rows += database.execute(
            f"SELECT {_REQUEST} FROM requests WHERE experiment = ? AND request IN ({marks})",
            (number, *chunk),
        )
    return {str(row[0]): request_of(row) for row in rows}


def _load_waiting(database: Database, number: int, before: float) -> dict[str, RequestRow]:
    """Return requests whose label should have come by now."""
    rows = database.execute(
        f"SELECT {_REQUEST} FROM requests "
        "WHERE experiment = ? AND matured = 0 AND at < ? ORDER BY at LIMIT ?",
        (number, before, MATURED_PER_BATCH),
    )
    return {str(row[0]): request_of(row) for row in rows}


def _load_users(database: Database, number: int, units: Sequence[bytes]) -> dict[UserKey, UserRow]:
    columns = ", ".join(USER_COLUMNS)
    known = database.execute(
        "SELECT DISTINCT epoch, scope FROM sums WHERE experiment = ?", (number,)
    )
    users: dict[UserKey, UserRow] = {}
    for epoch, scope in known:
        for chunk in chunks(units):
            marks = ", ".join("?" * len(chunk))
            for unit, variant, at, *values in database.execute(
                f"SELECT unit, variant, at, {columns} FROM users "
                f"WHERE experiment = ? AND epoch = ? AND scope = ? AND unit IN ({marks})",
                (number, epoch, scope, *chunk),
            ):
                users[epoch, scope, bytes(unit)] = UserRow(variant, at, values)
    return users


def _save(database: Database, number: int, fold: Fold) -> None:
    save = database.execute_many
    save(
        SAVE_USER,
        [
            (number, *key, row.variant, row.at, *row.values)
            for key, row in fold.users.items()
            if row.new or row.changed
        ],
    )
    save(SAVE_REQUEST, [(number, key, *request_values(r)) for key, r in fold.requests.items()])
    save(ADD_SUMS, [(number, *key, *sums) for key, sums in fold.sum_changes().items()])
    save(ADD_BUCKET, [(number, *key, float(n)) for key, n in sorted(fold.buckets.items())])
    _save_samples(database, number, fold)
    save(ADD_FACT, [(number, name, float(n)) for name, n in sorted(fold.facts.items())])
    save(ADD_EVENT, [event_row(number, *logged) for logged in fold.logged])


def _save_samples(database: Database, number: int, fold: Fold) -> None:
    """Keep the first latencies of each arm."""
    if not fold.samples:
        return
    counted = database.execute(
        "SELECT name, value FROM facts WHERE experiment = ? AND name LIKE 'samples:%'", (number,)
    )
    room = {int(name.partition(":")[2]): SAMPLES_PER_ARM - int(value) for name, value in counted}
    kept = []
    for variant, unit, latency in fold.samples:
        left = room.setdefault(variant, SAMPLES_PER_ARM)
        if left > 0:
            room[variant] = left - 1
            fold.facts[f"samples:{variant}"] += 1
            kept.append((number, variant, unit, latency))
    database.execute_many("INSERT INTO samples VALUES (?, ?, ?, ?)", kept)

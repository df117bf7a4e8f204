"""The store's operations in SQL; SQLite and PostgreSQL differ in connecting and locking alone.

Every ``write`` is one transaction that holds the experiment's lock: it reads the users of its
events, folds the events in, and writes users, sums and log together. A crash leaves the state
before or after it, and processes and hosts that write at once take turns.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raxe_abtest.config import Experiment
from raxe_abtest.errors import ExperimentError, StoreError
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store.fold import Fold, RequestRow, UserKey
from raxe_abtest.store.records import ARMS, Event, Look, Peak, Registration, Snapshot, UserRow
from raxe_abtest.store.rows import (
    ADD_BUCKET,
    ADD_EVENT,
    ADD_FACT,
    ADD_LOOK,
    ADD_SUMS,
    BY_REQUEST,
    SAVE_REQUEST,
    SAVE_USER,
    SET_FACT,
    chunks,
    event_row,
    refuse_change,
    registration_of,
    request_of,
    request_values,
)  # fmt: skip
from raxe_abtest.store.schema import EVENT_COLUMNS, REQUEST_COLUMNS, SUM_COLUMNS, USER_COLUMNS
from raxe_abtest.units import pseudonym

__all__ = ["Store"]

SAMPLES_PER_ARM = 20_000  # latencies kept to see how alike one user's are
MATURED_PER_BATCH = 2_000
_REGISTRATION = "number, spec, epochs, state, model_id, reason, started_at, secret"


class Store(ABC):
    """One connection to a store; calls from several threads take turns."""

    where: str

    def __init__(self) -> None:
        self._lock = threading.RLock()

    # What a database brings.

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
    def drop_connection(self) -> None:
        """Close the connection; the next call makes a new one."""

    @abstractmethod
    def is_failure(self, error: Exception) -> bool:
        """Tell whether an error is the database's (and not a mistake in this program)."""

    @abstractmethod
    def default_secret(self) -> bytes:
        """Return the secret that a new experiment gets."""

    def local_secret(self) -> bytes | None:
        """Return the secret when the database cannot be asked; None where it alone has it."""
        return None

    # What every database does alike.

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

    def register(self, experiment: Experiment, secret: bytes | None = None) -> Registration:
        """Enter an experiment, or find it; new weights open a new epoch.

        Raises:
            ExperimentError: the variants or the hash changed while it runs.
            StoreError: the store cannot be used.
        """
        with self.transaction():
            found = self.registration(experiment.key)
            if found is None:
                self.execute(
                    "INSERT INTO experiments (key, spec, epochs, state, model_id, reason, "
                    "started_at, secret) VALUES (?, ?, ?, 'running', NULL, '', ?, ?)",
                    (
                        experiment.key,
                        json.dumps(experiment.as_dict()),
                        json.dumps([experiment.weights]),
                        time.time(),
                        secret or self.default_secret(),
                    ),
                )
            else:
                self._update(found, experiment)
            result = self.registration(experiment.key)
        assert result is not None
        return result

    def _update(self, found: Registration, experiment: Experiment) -> None:
        refuse_change(found, experiment)
        epochs = list(found.epochs)
        if epochs[-1] != experiment.weights:
            epochs.append(experiment.weights)
        spec = experiment.as_dict()
        if spec != found.spec or len(epochs) != len(found.epochs):
            self.execute(
                "UPDATE experiments SET spec = ?, epochs = ? WHERE number = ?",
                (json.dumps(spec), json.dumps(epochs), found.number),
            )

    def registration(self, key: str) -> Registration | None:
        """Return how an experiment stands, None where it is unknown."""
        with self._lock, self.guarded():
            rows = self.execute(
                f"SELECT {_REGISTRATION} FROM experiments WHERE key = ?",
                (key,),
            )
        return registration_of(rows[0]) if rows else None

    def registrations(self) -> list[Registration]:
        """Return all experiments, the newest first."""
        with self._lock, self.guarded():
            rows = self.execute(f"SELECT {_REGISTRATION} FROM experiments ORDER BY number DESC")
        return [registration_of(row) for row in rows]

    def set_state(self, number: int, state: str, model_id: str | None, reason: str) -> None:
        """Stop, promote, roll back or run again; every process sees it within a second."""
        with self.transaction(number):
            self.execute(
                "UPDATE experiments SET state = ?, model_id = ?, reason = ? WHERE number = ?",
                (state, model_id, reason, number),
            )
            event = Event("state", time.time(), None, -1, f"{state}: {reason}")
            self.execute(ADD_EVENT, event_row(number, 0, None, event))

    def write(
        self, registration: Registration, events: Sequence[Event], label_delay_s: float
    ) -> None:
        """Write a batch, durably, in one transaction."""
        number, secret = registration.number, registration.secret
        names: dict[str, bytes] = {}
        for event in events:
            if event.unit is not None and event.unit not in names:
                names[event.unit] = pseudonym(event.unit, secret)
        pairs = [(names[e.unit] if e.unit is not None else None, e) for e in events]
        with self.transaction(number):
            requests = self._load_requests(
                number, {e.request for e in events if e.kind in BY_REQUEST}
            )
            waiting = self._load_waiting(number, time.time() - label_delay_s)
            requests = {**waiting, **requests}
            units = {*names.values(), *(row.unit for row in requests.values() if row.unit)}
            fold = Fold(len(registration.epochs) - 1, self._load_users(number, units), requests)
            fold.apply(pairs)
            for key in waiting:
                if not requests[key].matured:
                    fold.mature(requests[key])
            self._save(number, fold)

    def snapshot(self, key: str) -> Snapshot:
        """Return what a report is made of.

        Raises:
            ExperimentError: no such experiment.
        """
        with self._lock, self.guarded():
            registration = self.registration(key)
            if registration is None:
                raise ExperimentError(
                    f"No experiment {key!r} in {self.where}. Start it: raxe abtest start A B"
                )
            number = (registration.number,)
            columns = ", ".join(SUM_COLUMNS)
            sums = {
                (int(row[0]), str(row[1]), int(row[2]), str(row[3])): Sums(*row[4:])
                for row in self.execute(
                    f"SELECT epoch, scope, variant, metric, {columns} "
                    "FROM sums WHERE experiment = ?",
                    number,
                )
            }
            histograms: dict[int, list[tuple[int, float]]] = {}
            for variant, bucket, n in self.execute(
                "SELECT variant, bucket, n FROM buckets WHERE experiment = ? "
                "ORDER BY variant, bucket",
                number,
            ):
                histograms.setdefault(variant, []).append((bucket, n))
            facts = self.execute("SELECT name, value FROM facts WHERE experiment = ?", number)
            peaks = self.execute(
                "SELECT comparison, metric, MAX(log_e), MAX(users) FROM looks WHERE experiment = ? "
                "GROUP BY comparison, metric",
                number,
            )
        return Snapshot(
            registration,
            sums,
            {variant: tuple(pairs) for variant, pairs in histograms.items()},
            {str(name): float(value) for name, value in facts},
            {(str(row[0]), str(row[1])): Peak(float(row[2]), float(row[3])) for row in peaks},
        )

    def add_looks(self, number: int, looks: Sequence[Look]) -> None:
        """Keep what a look saw: p-values are those of the best look so far."""
        with self.transaction(number):
            self.execute_many(ADD_LOOK, [(number, *look) for look in looks])

    def looks(self, number: int) -> list[Look]:
        """Return all looks in the order of time."""
        with self._lock, self.guarded():
            rows = self.execute(
                "SELECT at, comparison, metric, users, effect, low, high, log_e FROM looks "
                "WHERE experiment = ? ORDER BY at",
                (number,),
            )
        return [Look(*row) for row in rows]

    def set_facts(self, number: int, facts: dict[str, float]) -> None:
        """Set figures that are worked out now and then."""
        with self.transaction(number):
            self.execute_many(SET_FACT, [(number, name, value) for name, value in facts.items()])

    def sampled_latencies(self, number: int, variant: int) -> dict[bytes, list[float]]:
        """Return the latencies of the first users of an arm, by user."""
        with self._lock, self.guarded():
            rows = self.execute(
                "SELECT unit, latency_ms FROM samples WHERE experiment = ? AND variant = ?",
                (number, variant),
            )
        users: dict[bytes, list[float]] = {}
        for unit, latency in rows:
            users.setdefault(bytes(unit), []).append(latency)
        return users

    def first_assignment(self, registration: Registration, unit: str) -> tuple[int, int] | None:
        """Return (epoch, variant) of a user's first exposure, for sticky experiments."""
        name = pseudonym(unit, registration.secret)
        epochs = ", ".join("?" * len(registration.epochs))
        with self._lock, self.guarded():
            rows = self.execute(
                "SELECT epoch, variant FROM users WHERE experiment = ? AND scope = ? "
                f"AND unit = ? AND epoch IN ({epochs}) ORDER BY epoch LIMIT 1",
                (registration.number, ARMS, name, *range(len(registration.epochs))),
            )
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def export(self, number: int) -> Iterator[dict[str, Any]]:
        """Return the log, one mapping an event; users are pseudonyms."""
        names = ("experiment", *EVENT_COLUMNS)
        with self._lock, self.guarded():
            rows = self.execute(
                f"SELECT {', '.join(names)} FROM events WHERE experiment = ? ORDER BY at",
                (number,),
            )
        for row in rows:
            event = dict(zip(names, row, strict=True))
            event["unit"] = bytes(event["unit"]).hex() if event["unit"] is not None else None
            yield event

    # The parts of a write.

    def _load_requests(self, number: int, keys: set[str | None]) -> dict[str, RequestRow]:
        wanted = [key for key in keys if key is not None]
        columns = ", ".join(("request", *REQUEST_COLUMNS))
        rows: list[tuple[Any, ...]] = []
        for chunk in chunks(wanted):
            marks = ", ".join("?" * len(chunk))
            rows += self.execute(
                f"SELECT {columns} FROM requests WHERE experiment = ? AND request IN ({marks})",
                (number, *chunk),
            )
        return {str(row[0]): request_of(row) for row in rows}

    def _load_waiting(self, number: int, before: float) -> dict[str, RequestRow]:
        rows = self.execute(
            f"SELECT {', '.join(('request', *REQUEST_COLUMNS))} FROM requests "
            "WHERE experiment = ? AND matured = 0 AND at < ? ORDER BY at LIMIT ?",
            (number, before, MATURED_PER_BATCH),
        )
        return {str(row[0]): request_of(row) for row in rows}

    def _load_users(self, number: int, units: set[bytes]) -> dict[UserKey, UserRow]:
        columns = ", ".join(USER_COLUMNS)
        known = self.execute(
            "SELECT DISTINCT epoch, scope FROM sums WHERE experiment = ?", (number,)
        )
        users: dict[UserKey, UserRow] = {}
        for epoch, scope in known:
            for chunk in chunks(sorted(units)):
                marks = ", ".join("?" * len(chunk))
                for row in self.execute(
                    f"SELECT unit, variant, at, {columns} FROM users "
                    f"WHERE experiment = ? AND epoch = ? AND scope = ? AND unit IN ({marks})",
                    (number, epoch, scope, *chunk),
                ):
                    users[epoch, scope, bytes(row[0])] = UserRow(row[1], row[2], list(row[3:]))
        return users

    def _save(self, number: int, fold: Fold) -> None:
        self.execute_many(
            SAVE_USER,
            [
                (number, *key, row.variant, row.at, *row.values)
                for key, row in fold.users.items()
                if row.new or row.before != tuple(row.values)
            ],
        )
        self.execute_many(
            SAVE_REQUEST,
            [(number, key, *request_values(row)) for key, row in fold.requests.items()],
        )
        self.execute_many(
            ADD_SUMS, [(number, *key, *sums) for key, sums in fold.sum_changes().items()]
        )
        self.execute_many(
            ADD_BUCKET, [(number, *key, float(n)) for key, n in sorted(fold.buckets.items())]
        )
        self._save_samples(number, fold)
        self.execute_many(
            ADD_FACT, [(number, name, float(n)) for name, n in sorted(fold.facts.items())]
        )
        self.execute_many(
            ADD_EVENT,
            [event_row(number, epoch, unit, event) for epoch, unit, event in fold.logged],
        )

    def _save_samples(self, number: int, fold: Fold) -> None:
        if not fold.samples:
            return
        counted = self.execute(
            "SELECT name, value FROM facts WHERE experiment = ? AND name LIKE 'samples:%'",
            (number,),
        )
        room = {
            int(name.partition(":")[2]): SAMPLES_PER_ARM - int(value) for name, value in counted
        }
        kept = []
        for variant, unit, latency in fold.samples:
            left = room.setdefault(variant, SAMPLES_PER_ARM)
            if left > 0:
                room[variant] = left - 1
                fold.facts[f"samples:{variant}"] += 1
                kept.append((number, variant, unit, latency))
        self.execute_many("INSERT INTO samples VALUES (?, ?, ?, ?)", kept)

"""The store's operations in SQL; SQLite and PostgreSQL differ in connecting and locking alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from raxe_abtest.config import Experiment
from raxe_abtest.errors import ExperimentError
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store.batch import ENDED_AT, RESUMED_AT, write_batch
from raxe_abtest.store.database import Database
from raxe_abtest.store.records import ARMS, Event, Look, Peak, Registration, Snapshot
from raxe_abtest.store.rows import (
    ADD_EVENT,
    ADD_LOOK,
    SET_FACT,
    event_row,
    refuse_change,
    registration_of,
)  # fmt: skip
from raxe_abtest.store.schema import EVENT_COLUMNS, SUM_COLUMNS
from raxe_abtest.units import pseudonym

__all__ = ["Store"]

_REGISTRATION = "number, spec, epochs, state, model_id, reason, started_at, secret"


class Store(Database):
    """The experiments of a database, and what was recorded of them."""

    def exists(self) -> bool:
        """Tell whether there is a database; a server's is only known by connecting."""
        return True

    def register(self, experiment: Experiment, secret: bytes | None = None) -> Registration:
        """Enter an experiment, or find it; new weights open a new epoch.

        Raises:
            ExperimentError: the variants, the hash, the namespace or the secret changed.
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
                self._update(found, experiment, secret)
            result = self.registration(experiment.key)
        assert result is not None
        return result

    def _update(self, found: Registration, experiment: Experiment, secret: bytes | None) -> None:
        refuse_change(found, experiment, secret)
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

    def set_state(self, number: int, state: str, model_id: str | None, reason: str) -> bool:
        """Stop, promote, roll back or run again; every process sees it within a second.

        Only a running experiment is rolled back: what a person has decided stays. Return whether
        the state was set.
        """
        now = time.time()
        with self.transaction(number):
            query = "SELECT state FROM experiments WHERE number = ?"
            ran = self.execute(query, (number,)) == [("running",)]
            if state == "rolled_back" and not ran:
                return False
            if ran != (state == "running"):
                name = ENDED_AT if ran else RESUMED_AT
                self.execute(SET_FACT, (number, name, now))
            self.execute(
                "UPDATE experiments SET state = ?, model_id = ?, reason = ? WHERE number = ?",
                (state, model_id, reason, number),
            )
            event = Event("state", now, None, -1, f"{state}: {reason}")
            self.execute(ADD_EVENT, event_row(number, 0, None, event))
        return True

    def write(
        self, registration: Registration, events: Sequence[Event], label_delay_s: float
    ) -> None:
        """Write a batch, durably, in one transaction."""
        with self.transaction(registration.number):
            write_batch(self, registration, events, label_delay_s)

    def waiting_labels(self, number: int) -> int:
        """Return how many labels are of requests that nobody has reported yet."""
        with self._lock, self.guarded():
            rows = self.execute(
                "SELECT COUNT(*) FROM requests WHERE experiment = ? AND unit IS NULL", (number,)
            )
        return int(rows[0][0])

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

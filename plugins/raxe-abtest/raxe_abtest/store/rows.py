"""Rows and statements: between the tables and the records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from raxe_abtest.config import Experiment
from raxe_abtest.errors import ExperimentError
from raxe_abtest.store.fold import RequestRow
from raxe_abtest.store.records import Event, Registration
from raxe_abtest.store.schema import EVENT_COLUMNS, REQUEST_COLUMNS, SUM_COLUMNS, USER_COLUMNS

__all__ = [
    "ADD_BUCKET", "ADD_EVENT", "ADD_FACT", "ADD_LOOK", "ADD_SUMS", "BY_REQUEST", "SAVE_REQUEST",
    "SAVE_USER", "SET_FACT", "chunks", "event_row", "refuse_change", "registration_of",
    "request_of", "request_values",
]  # fmt: skip

_IN = 500  # placeholders in one statement


def _upsert(table: str, keys: Sequence[str], columns: Sequence[str], *, add: bool = False) -> str:
    names = [*keys, *columns]
    marks = ", ".join("?" * len(names))
    plus = f"{table}." if add else ""
    sets = ", ".join(
        f"{name} = {plus + name + ' + ' if add else ''}excluded.{name}" for name in columns
    )
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"
    )


SAVE_USER = _upsert(
    "users", ("experiment", "epoch", "scope", "unit"), ("variant", "at", *USER_COLUMNS)
)
SAVE_REQUEST = _upsert("requests", ("experiment", "request"), REQUEST_COLUMNS)
ADD_SUMS = _upsert(
    "sums", ("experiment", "epoch", "scope", "variant", "metric"), SUM_COLUMNS, add=True
)
ADD_BUCKET = _upsert("buckets", ("experiment", "variant", "bucket"), ("n",), add=True)
ADD_FACT = _upsert("facts", ("experiment", "name"), ("value",), add=True)
SET_FACT = _upsert("facts", ("experiment", "name"), ("value",))
ADD_EVENT = (
    f"INSERT INTO events (experiment, {', '.join(EVENT_COLUMNS)}) "
    f"VALUES ({', '.join('?' * (1 + len(EVENT_COLUMNS)))})"
)
ADD_LOOK = "INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

BY_REQUEST = ("result", "pair", "label")


def refuse_change(found: Registration, experiment: Experiment, secret: bytes | None) -> None:
    """Raise where experiment differs in what must stay: arms, and how users come into them."""
    if secret is not None and secret != found.secret:
        raise ExperimentError(
            f"Experiment {experiment.key!r} runs with another secret; this one would move its "
            "users. Use the first one, or give the new experiment another key."
        )
    old = [variant["model_id"] for variant in found.spec["variants"]]
    new = [variant.model_id for variant in experiment.variants]
    for what, before, now in (
        ("variants", old, new),
        ("hash", found.spec["hash"], experiment.hash),
        ("salt", found.spec["salt"], experiment.salt),
        ("namespace", found.spec["namespace"], experiment.as_dict()["namespace"]),
    ):
        if before != now:
            raise ExperimentError(
                f"Experiment {experiment.key!r} runs with {what} {before!r}; {now!r} would move "
                "its users. Give the new experiment another key: l2_model.ab_test.key"
            )


def registration_of(row: tuple[Any, ...]) -> Registration:
    """Return an experiment as it stands, from its row."""
    number, spec, epochs, state, model_id, reason, started_at, secret = row
    weights = tuple(tuple(epoch) for epoch in json.loads(epochs))
    return Registration(
        number, json.loads(spec), weights, state, model_id, reason, started_at, bytes(secret)
    )


def request_of(row: tuple[Any, ...]) -> RequestRow:
    """Return a request from its row."""
    _, epoch, unit, variant, at, verdict, label, accuracy, others, done, matured = row
    request = RequestRow(at, epoch)
    request.unit = None if unit is None else bytes(unit)
    request.variant, request.accuracy = variant, accuracy
    request.verdict = None if verdict is None else bool(verdict)
    request.label = None if label is None else bool(label)
    request.others = {
        key: None if pair is None else (pair[0], pair[1])
        for key, pair in json.loads(others).items()
    }
    request.done, request.matured = bool(done), bool(matured)
    return request


def request_values(row: RequestRow) -> tuple[Any, ...]:
    """Return a request's row, without its key."""
    return (
        row.epoch, row.unit, row.variant, row.at, _bit(row.verdict), _bit(row.label), row.accuracy,
        json.dumps(row.others) if row.others else "{}", int(row.done), int(row.matured),
    )  # fmt: skip


def event_row(number: int, epoch: int, unit: bytes | None, event: Event) -> tuple[Any, ...]:
    """Return the row of an event in the log."""
    return (
        number, epoch, event.at, event.kind, unit, event.variant, event.request, event.latency_ms,
        event.accuracy, int(event.error), _bit(event.verdict), _bit(event.label), _bit(event.other),
    )  # fmt: skip


def _bit(value: bool | None) -> int | None:
    return None if value is None else int(value)


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut values into pieces that one statement takes."""
    for start in range(0, len(values), _IN):
        yield values[start : start + _IN]
